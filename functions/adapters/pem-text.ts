/** What tools and word processors do to a text of lines, undone. Each bound of an expression keeps the search linear. */

/** Signs that a font does not show, and the bytes of another encoding. */
const UNSEEN = /[\p{Cf}\p{Default_Ignorable_Code_Point}\0]/gu;
const WIDE_AND_LIGATURES = /[\uff01-\uff5e\ufb00-\ufb06]/g;
const ENTITY =
  /&(?:#x([0-9a-f]{1,5})|#(\d{1,6})|(quot|apos|amp|nbsp|plus|equals|sol|bsol|newline|tab|lt|gt|hyphen|dash));/gi;
const NAMED: Readonly<Record<string, string>> = {
  quot: '"',
  apos: "'",
  amp: '&',
  nbsp: ' ',
  plus: '+',
  equals: '=',
  sol: '/',
  bsol: '\\',
  newline: '\n',
  tab: '\t',
  lt: '<',
  gt: '>',
  hyphen: '-',
  dash: '-',
};

/**
 * The text with every escape undone, in plain spaces, line feeds, quotes and dashes.
 *
 * `\n`, `\r` and `\t` spelled out, with any number of backslashes, become a line feed and one of the marks U+E000 to U+E002: without them nobody
 * could tell that a backslash and a letter stood there.
 */
export function unescaped(given: string): string {
  let text = given
    .replace(/[\ue000-\ue002]/g, '')
    .replace(UNSEEN, '')
    .replace(WIDE_AND_LIGATURES, (sign) => sign.normalize('NFKC'))
    .replace(/\r\n?|[\v\f\u0085\u2028\u2029]/g, '\n')
    .replace(/[\p{Zs}\t]/gu, ' ')
    .replace(/[\u2018-\u201b\u2039\u203a\u2032\u00b4]/g, "'")
    .replace(/[\u201c-\u201f\u00ab\u00bb\u2033]/g, '"')
    // One of them stands for two or more hyphens.
    .replace(/[\u2012-\u2015\u2e3a\u2e3b\u2500\u2501\ufe58]/g, '--')
    .replace(/[\u2010\u2011\u2212\ufe63]/g, '-');
  // Twice: a template may have escaped what another had escaped.
  for (let time = 0; time < 2 && text.includes('&'); time++) {
    text = text.replace(ENTITY, (_, hex: string | undefined, decimal: string | undefined, name: string | undefined) =>
      name === undefined ? codePoint(hex, decimal) : (NAMED[name.toLowerCase()] ?? ''),
    );
  }
  text = text.replace(/<\/?[a-z][^<>\n]{0,200}>/gi, '\n').replace(/_x000[AD]_/gi, '\n');
  if (/%(?:25)*(?:0[AD]|2[0BDF]|3D)/i.test(text)) {
    if (/BEGIN\+/i.test(text)) text = text.replaceAll('+', ' ');
    text = text.replace(/%(?:25)*([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  if (/=(?:0A|0D|3D|20|2D)/.test(text))
    text = text.replace(/=([0-7][0-9A-F])/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  // PowerShell's own escape, unless each line stands between two of its sign.
  if (/-`[nr]/.test(text)) text = text.replace(/`[nr]/g, '\n');
  return text
    .replace(/\\{1,16}(?:u00([0-7][0-9a-f])|x([0-7][0-9a-f]))/gi, (_, wide: string | undefined, narrow = '') =>
      String.fromCharCode(Number.parseInt(wide ?? narrow, 16)),
    )
    .replace(/\\{1,16}0(?:12|15|40)/g, '\n')
    .replace(/\\{1,16}([nrt])/g, (_, letter: string) => `\n${String.fromCharCode(0xe000 + 'nrt'.indexOf(letter))}`)
    .replace(/\r/g, '\n')
    .replace(/\0/g, '');
}

function codePoint(hex: string | undefined, decimal = '0'): string {
  return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
}

/** A text of lines without what stood before each of them, and without the quotes around each and what joined them. */
export function unquoted(given: string): string {
  const text = unprefixed(given);
  // Where the line of the label is a string of its own, whatever stands between two strings is code.
  const own = /(["'`])-{2,24} {0,2}BEGIN[^-"'`]{1,60}-{2,24}[^"'`A-Za-z0-9]{0,20}\1/i.exec(text);
  const [, quote] = own ?? [];
  if (own === null || quote === undefined) return text.replace(/(["'`])[\s+.,;&\\\ue000-\ue002]{0,60}\1/g, '\n');
  const strings = text.slice(own.index).split(quote);
  return [text.slice(0, own.index), ...strings.filter((_, n) => n % 2 === 1)].join('\n');
}

const NUMBER = /^ {0,12}\d{1,5}(?:[:|.)] ?| +)/;

/** Numbers of lines, and what a mail, a patch or a comment puts before every line. */
function unprefixed(text: string): string {
  const first = /^([^\n"'`-]{1,20})-{2,24} {0,2}BEGIN/m.exec(text)?.[1];
  if (first === undefined) return text;
  const lines = text.split('\n');
  if (NUMBER.test(first)) return lines.map((line) => line.replace(NUMBER, '')).join('\n');
  const prefix = first.trimEnd();
  const isOnEach =
    prefix !== '' && lines.some((line) => line.startsWith(prefix) && /^[ -]{2,40}END/i.test(line.slice(prefix.length)));
  return isOnEach ? lines.map((line) => (line.startsWith(prefix) ? line.slice(prefix.length) : line)).join('\n') : text;
}

/** Text out of bytes in UTF-8, or in UTF-16 as Windows writes it: there every other byte of ASCII is zero. */
export function textOf(bytes: Buffer): string {
  if (!bytes.includes(0)) return bytes.toString('utf8');
  const even = bytes.subarray(0, bytes.length - (bytes.length % 2));
  const zeros = (place: number) => even.filter((byte, n) => byte === 0 && n % 2 === place).length;
  const isBigEndian = zeros(0) > zeros(1);
  return (isBigEndian ? Buffer.from(even).swap16() : even).toString('utf16le');
}
