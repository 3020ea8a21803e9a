/**
 * What may stand in a text for people, whatever it was made from: how long it is, how long a list in it is, and which names from outside it may
 * repeat. The types of errors and hints use it themselves, so that no caller can forget to.
 */

/** Characters (UTF-16 units, as `length` counts them) of a message at most. */
export const MOST_MESSAGE = 1_000;
/** Characters of a hint at most. */
export const MOST_HINT = 500;
/** Entries of a list that are named; the others are counted. */
const NAMED = 5;
/** Characters of five entries that may stand as they are, and of one entry where they may not. */
const MOST_ENTRIES = 700;
const MOST_ENTRY = 120;

/** Control characters, line and paragraph separators, and what turns the direction of writing: each could make a line look like another. */
const UNSHOWN = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** The text in at most that many characters, cut at a whole character with an ellipsis; what no line may hold is shown as U+FFFD. */
export function bounded(text: string, most: number): string {
  // Cut first: what follows then costs no more for a longer text.
  let shown = text.length <= most ? text : text.slice(0, most - 1);
  if (shown.length < text.length) shown = `${shown.replace(/[\ud800-\udbff]$/, '')}…`;
  return shown.toWellFormed().replace(UNSHOWN, '\ufffd');
}

/** `a, b, c, d, e and 4,995 more`: so a list has a length, however many entries there are. */
export function enumerated(entries: readonly string[], separator = ', '): string {
  const named = entries.slice(0, NAMED);
  const length = named.reduce((sum, entry) => sum + entry.length, 0);
  const shown = named.map((entry) => (length > MOST_ENTRIES ? bounded(entry, MOST_ENTRY) : entry)).join(separator);
  const others = entries.length - named.length;
  return others === 0 ? shown : `${shown} and ${others.toLocaleString('en-US')} more`;
}

/** Words in capitals (`UND_ERR_SOCKET`, `HTTP2`), in small letters or in camel case (`KMSInvalidStateException`), and nothing drawn by lot. */
const NAME =
  /^(?:[A-Z]{1,14}\d?|[a-z]{2,20}|(?:[A-Z]{1,5}[a-z]{2,20}){1,8})(?:[_.:-](?:[A-Z]{1,14}\d?|[a-z]{2,20}|(?:[A-Z]{1,5}[a-z]{2,20}){1,8})){0,7}$/;

/** A name that somebody else gave: an error's, a code of AWS or of Node. It is repeated only where it reads as one. */
export function publicName(name: unknown): string {
  return typeof name === 'string' && name.length <= 64 && NAME.test(name) ? name : 'an unnamed error';
}

/** Words such as `clientID`, `login_url` or `retry2`, and nothing that looks drawn by lot, as tokens do. */
const WORDS =
  /^_{0,2}(?:[A-Z]?[a-z]{2,14}|[A-Za-z])(?:[_.-]?(?:[A-Z][a-z]{2,14}|ARN|By|ID|Id|JWT|KMS|PEM|URI|URL)|[_.-][a-z]{1,14}){0,5}\d{0,2}_{0,2}$/;

/**
 * How an unknown key is called. Its name is repeated only where it reads as words, as a slip of the hand does (`clientid`, `refresh_token`): a value
 * that was pasted in the place of a key may be a secret.
 */
export function unknownKey(key: string): string {
  return key.length <= 24 && WORDS.test(key) ? key : 'a key whose name is not shown';
}
