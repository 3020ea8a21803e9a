import type { Redacted } from './redacted.ts';

/** The text of a secret, as people and tools store it: which JSON it is, and what nobody sees in it. Nothing of it is ever repeated. */

/** Layers of JSON in a string of JSON that are taken off. */
const MOST_LAYERS = 3;

/**
 * The one JSON object that a secret holds. A byte order mark and white space around it are no matter, and neither is that a tool has encoded it
 * twice, as a string of JSON.
 *
 * @returns or what is wrong, as a whole sentence without its stop
 */
export function objectIn(
  secret: Redacted,
): { readonly object: Record<string, unknown> } | { readonly problem: string } {
  const text = withoutEnds(secret.reveal());
  if (text === '') return { problem: 'the value is empty' };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, so it is dropped, and so is the error.
    const why = REASONS.find(([isSo]) => isSo(text))?.[1];
    return { problem: why === undefined ? 'the value is not JSON' : `the value is not JSON: ${why}` };
  }
  const object = asObject(value);
  return object === undefined ? { problem: 'the value is not a JSON object' } : { object };
}

/** An object, also where it was encoded as a string of JSON: the console's form of keys and values knows strings alone. */
export function asObject(given: unknown): Record<string, unknown> | undefined {
  let value = given;
  for (let layer = 0; layer < MOST_LAYERS && typeof value === 'string'; layer++) {
    try {
      value = JSON.parse(withoutEnds(value));
    } catch {
      return undefined;
    }
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

/**
 * Every sign that shows nothing: white space, control and format characters, fillers that a font leaves blank, and what stands for something that
 * the text has not: an object, an icon of one font, a lost character.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Z}\p{Default_Ignorable_Code_Point}\u2800\ufffc\ufffd]/u;

const UNSEEN_ANYWHERE = new RegExp(UNSEEN, 'gu');

/** Three bytes of a byte order mark, each read as a character of its own. */
const MANGLED_MARK = '\u00ef\u00bb\u00bf';

/** Signs at both ends that show nothing, taken off one by one: an expression would look from each of them to the end. */
function withoutEnds(given: string): string {
  let start = given.startsWith(MANGLED_MARK) ? MANGLED_MARK.length : 0;
  let end = given.length;
  while (start < end && UNSEEN.test(given.charAt(start))) start++;
  while (end > start && UNSEEN.test(given.charAt(end - 1))) end--;
  return given.slice(start, end);
}

/** The name of a key without what nobody sees around it. */
export function seen(name: string): string {
  return withoutEnds(name);
}

/**
 * What does not belong into an identifier or token and came along when it was copied, as the end of a sentence. No other message would say so: the
 * refusal of a token in quotes asks for a new one.
 *
 * @param mayHoldSpaces whether plain spaces may stand within it, as in a secret whose alphabet we do not know
 */
export function strayIn(value: string, mayHoldSpaces = false): string | undefined {
  return unseenIn(value, mayHoldSpaces) ?? STRAYS.find(([stray]) => stray.test(value))?.[1];
}

/** Each is looked for at the ends alone. */
const STRAYS: readonly (readonly [RegExp, string])[] = [
  [/^(?:\$\{.*\}|\{\{.*\}\}|<.*>|\*{3,})$/s, 'is a placeholder that nothing has filled in'],
  [/^(["'`]).*\1$|^[“”„‘’«].*[“”‘’»]$|^(?:\\"|&quot;)/s, 'stands in quotes of its own'],
  [/\\[nrt]?$/, 'ends with an escape, such as \\n, that was taken for text'],
  [/[,;]$/, 'ends with a comma or semicolon'],
];

function unseenIn(value: string, mayHoldSpaces: boolean): string | undefined {
  // Half of a character is sent as U+FFFD.
  const signs = [...value.toWellFormed()];
  const first = signs[0];
  const last = signs.at(-1);
  const found = [];
  if (first !== undefined && UNSEEN.test(first)) found.push(`begins with ${nameOf(first)}`);
  if (last !== undefined && signs.length > 1 && UNSEEN.test(last)) found.push(`ends with ${nameOf(last)}`);
  if (found.length > 0) return found.join(' and ');
  const within = signs.find((sign) => UNSEEN.test(sign) && !(mayHoldSpaces && sign === ' '));
  return within === undefined ? undefined : `holds ${nameOf(within)}`;
}

function nameOf(sign: string): string {
  const code = `U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
  if (sign === ' ') return 'a space';
  if (sign === '\t') return 'a tab';
  if (/[\n\r\u0085\u2028\u2029]/.test(sign)) return 'a line break';
  if (/\p{Zs}/u.test(sign)) return `a space of another kind (${code})`;
  if (/\p{Cc}/u.test(sign)) return `a control character (${code})`;
  return sign === '\ufffd' ? 'a sign that stands for a lost character' : `an invisible character (${code})`;
}

/** Why a text is not JSON, the likeliest first. */
const REASONS: readonly (readonly [isSo: (text: string) => boolean, why: string])[] = [
  [(text) => text.includes('\0'), 'it is in UTF-16, and was stored as if it were UTF-8'],
  [(text) => text.startsWith('-----BEGIN'), 'it is PEM alone, which belongs into the key privateKey of an object'],
  [
    (text) => /^(?:fileb?:\/\/|[~@./]|[A-Za-z]:\\)[^\n]{0,300}$|^[\w./\\ -]{1,200}\.json$/.test(text),
    'it is the name of a file, and not what is in it',
  ],
  [isBase64OfObject, 'it is in base64; store the JSON itself'],
  [(text) => /^</.test(text), 'it is XML or HTML'],
  [(text) => /^(?:---\s|[A-Za-z_]\w{0,60}:\s)/.test(text), 'it is YAML'],
  [
    (text) => /^(?:\[[\w. -]{1,60}\]\s{1,9})?(?:(?:export|set)\s)?[A-Za-z_]\w{0,60}\s{0,9}=/.test(text),
    'it is a list of NAME=value',
  ],
  [(text) => /^(?:"[^"]{1,60}"\s{0,9}:)/.test(text), 'its opening brace is missing'],
  [(text) => /^\$?['`]\s{0,99}\{/.test(text), 'it stands in quotes, as of a shell'],
  [(text) => /^\{\s{0,99}[A-Za-z_]\w{0,60}\s{0,9}=/.test(text), 'its keys have = after them; JSON has colons'],
  [(text) => /^\{\s{0,99}[“”„‟‘’‚«»]/.test(text), 'its quotes are curly, as word processors make them'],
  [(text) => /^\{\s{0,99}'/.test(text), 'its quotes are single; JSON has double ones'],
  [(text) => /^\{\s{0,99}\\/.test(text), 'its quotes have backslashes before them'],
  [
    (text) => /^\{\s{0,99}[A-Za-z_]\w{0,60}\s{0,9}:/.test(text),
    'its keys have no quotes: a shell may have taken them away',
  ],
  [
    (text) => isJson(withEscapedBreaks(text)),
    'a string in it holds a line break or tab, which JSON writes as \\n or \\t',
  ],
  [(text) => isJson(text.replace(/,(?=\s{0,99}[}\]])/g, '')), 'a comma stands before a closing brace'],
  [
    (text) => isJson(text.replace(UNSEEN_ANYWHERE, ' ')),
    'it holds white space of another kind or an invisible character between its keys',
  ],
  [(text) => /(?:^|[\s,{])(?:\/\/|\/\*|#\s)/.test(text), 'it holds comments'],
  [(text) => /[,:{]\s{0,99}'/.test(text), 'some of its quotes are single; JSON has double ones'],
  [(text) => /[,:{]\s{0,99}[“”„‟‘’‚«»]/.test(text), 'some of its quotes are curly, as word processors make them'],
  [
    (text) => text.startsWith('{') && (!text.endsWith('}') || isJson(text.slice(0, -1))),
    'its closing brace is missing, or something stands after it',
  ],
];

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function isBase64OfObject(text: string): boolean {
  return (
    /^[A-Za-z0-9+/_\s-]{8,}={0,2}$/.test(text) && withoutEnds(Buffer.from(text, 'base64').toString()).startsWith('{')
  );
}

function withEscapedBreaks(text: string): string {
  let isInString = false;
  let isEscaped = false;
  let escaped = '';
  for (const sign of text) {
    escaped += isInString && /[\n\r\t]/.test(sign) ? ' ' : sign;
    if (sign === '"' && !isEscaped) isInString = !isInString;
    isEscaped = sign === '\\' && !isEscaped;
  }
  return escaped;
}
