import { textOf, unescaped, unquoted } from './pem-text.ts';

/**
 * Reads PEM (RFC 7468) as people and tools leave it: blocks in any order, with any decoration around and in them. It keeps a label and the
 * bytes of each block; what the bytes are for is told by the outermost shape of their DER (X.690 section 8), since labels are often wrong.
 */

/** What DER is, as far as its outermost shape tells. */
export type Shape =
  | 'pkcs8'
  | 'pkcs1'
  | 'sec1'
  | 'dsa'
  | 'locked'
  | 'certificate'
  | 'request'
  | 'public'
  | 'pkcs12'
  | 'pkcs7'
  | 'other';

export interface Block {
  /** In capitals and without blanks: `RSAPRIVATEKEY`. Empty where DER came without a label. */
  readonly label: string;
  /** Whether it is encrypted as RFC 1421 section 4.6.1.1 has it. */
  readonly isLocked: boolean;
  /** One whole value of DER, or why there is none, as the end of a sentence. */
  readonly der: Buffer | string;
  /** What its base64 decodes to, where that is no DER. */
  readonly bytes?: Buffer;
}

/** A text, and the bytes that it was decoded from where it was. */
export interface Layer {
  readonly text: string;
  readonly bytes?: Buffer;
}

export interface Reading {
  readonly blocks: readonly Block[];
  /** From the outermost on. */
  readonly layers: readonly Layer[];
}

/** Layers of base64 that are taken off: a manifest of Kubernetes adds one to what a person has encoded already. */
const MOST_LAYERS = 4;

export function readPem(given: string): Reading {
  const layers: Layer[] = [{ text: given }];
  for (let layer = layers[0]; layer !== undefined; layer = layers.at(-1)) {
    const text = unquoted(unescaped(layer.text));
    const blocks = blocksIn(text);
    // Windows puts whatever it encodes between the lines of a certificate, PEM too.
    const framed = blocks.find(({ bytes }) => bytes !== undefined && isLayer(bytes))?.bytes;
    if (blocks.length > 0 && framed === undefined) return { blocks, layers };
    const bytes = layers.length > MOST_LAYERS ? undefined : (framed ?? encodedBytes(text));
    if (bytes === undefined) break;
    layers.push({ text: textOf(bytes), bytes });
    if (derLength(bytes) === bytes.length) return { blocks: [{ label: '', isLocked: false, der: bytes }], layers };
  }
  return { blocks: [], layers };
}

/** Every bound keeps the search linear: a secret may hold 64 KB of dashes. Tools that remove blanks, or write `+` for them, do so in labels too. At most five hyphens close a label: the next may follow at once. */
const MARKER = /-{2,24}[ \t]{0,4}(BEGIN|END)([\s+_][A-Z0-9\s+_]{1,60}|[A-Z0-9]{3,40})-{2,5}/gi;

function blocksIn(text: string): Block[] {
  const markers = [...text.matchAll(MARKER)];
  const verbOf = (marker: RegExpExecArray | undefined) => marker?.[1]?.toUpperCase();
  return markers.flatMap((marker, n) => {
    const [whole, , label = ''] = marker;
    const name = label.replace(/[\s+_]/g, '').toUpperCase();
    if (verbOf(marker) === 'END') {
      // What it ended, where the line that began it was not copied.
      const previous = markers[n - 1];
      if (verbOf(previous) === 'BEGIN') return [];
      const { der } = derIn(text.slice(previous === undefined ? 0 : previous.index + previous[0].length, marker.index));
      return typeof der === 'string' ? [] : [{ label: name, isLocked: false, der }];
    }
    const next = markers[n + 1];
    const body = text.slice(marker.index + whole.length, next?.index);
    const isLocked = /Proc-Type[\s:]{1,6}4,\s{0,4}ENCRYPTED/i.test(body);
    const isOpen = verbOf(next) !== 'END' || name === 'TRUSTEDCERTIFICATE';
    return [{ label: name, isLocked, ...derIn(body, isOpen) }];
  });
}

/**
 * The one value of DER in the body of a block.
 *
 * @param isOpen whether something may follow it: the block has no end, or one of OpenSSL's own kinds
 */
function derIn(body: string, isOpen = false): Pick<Block, 'der' | 'bytes'> {
  const candidates = spellings(body).map((spelling) => Buffer.from(spelling, 'base64'));
  const whole = candidates.find((bytes) => derLength(bytes) === bytes.length);
  if (whole !== undefined) return { der: whole };
  const longer = isOpen ? candidates.find(beginsWithDer) : undefined;
  if (longer !== undefined) return { der: longer.subarray(0, derLength(longer)) };
  const [bytes = Buffer.alloc(0)] = candidates;
  return { der: trouble(body, bytes), bytes };
}

/** What a body may have meant, the likeliest first. Its length says which of them it was. */
function spellings(body: string): readonly string[] {
  const onlyBase64 = (text: string) => {
    // Either alphabet of RFC 4648: where the first is at work, the signs of the second are decoration.
    const standard = text.replace(/[^A-Za-z0-9+/]/g, '');
    return /[+/]/.test(standard) ? standard : text.replace(/[^A-Za-z0-9_-]/g, '');
  };
  const plain = onlyBase64(body);
  // A form field that was not encoded turns each + into a blank.
  const lines = body.split('\n').filter((line) => line.trim() !== '');
  const inner = lines.map((line) => line.trim().replaceAll(' ', '+')).join('');
  const outer = lines.map((line) => line.replaceAll(' ', '+')).join('');
  // A shell that eats backslashes leaves the n of \n; a person may have written the other slash.
  const eaten = (width: number) => {
    const end = '(?:/?r)?/?n';
    const line = new RegExp(`^${end}((?:[A-Za-z0-9+/]{${width}}${end})*[A-Za-z0-9+/]{1,${width}}?)${end}$`).exec(
      plain,
    )?.[1];
    return line === undefined ? '' : line.replace(new RegExp(`([A-Za-z0-9+/]{${width}})${end}`, 'g'), '$1');
  };
  // Headers as of RFC 1421, and a carriage return as a terminal shows it.
  const headless = onlyBase64(body.replace(/^[^\n:]{0,60}:[^\n]*$/gm, '').replaceAll('^M', ''));
  // A backslash that ended a line, before a line that began with n, r or t, looks like an escape.
  const letters = onlyBase64(body.replace(/\n[\ue000-\ue002]/g, (mark) => 'nrt'.charAt(mark.charCodeAt(1) - 0xe000)));
  return [plain, onlyBase64(inner), onlyBase64(outer), headless, eaten(64), eaten(76), letters];
}

function trouble(body: string, bytes: Buffer): string {
  const length = derLength(bytes);
  const strange = strangers(body);
  const besides = strange.length === 0 ? '' : `; besides base64 it holds ${strange.join(', ')}`;
  if (bytes.length === 0) return `is empty between its BEGIN and END lines${besides}`;
  if (length === undefined) return `is damaged: its base64 does not decode to a key or certificate${besides}`;
  return bytes.length < length
    ? `is damaged: it is cut short, at ${bytes.length} of ${length} bytes${besides}`
    : `is damaged: it has ${bytes.length} bytes where ${length} belong${besides}`;
}

/** The kinds of signs in a body that base64 has not, without any of them. */
const STRANGERS: readonly (readonly [RegExp, string])[] = [
  [/["'`]/, 'quotes'],
  [/\\|[\ue000-\ue002]/, 'backslashes'],
  [/[-_]/, 'dashes'],
  [/,/, 'commas'],
  [/\*/, 'asterisks, as of a masked value'],
  [/\.\.|…/, 'an ellipsis, as of a shortened value'],
  [/[$%&#{}<>[\]()]/, 'signs of a template'],
  [/\ufffd|\?/, 'signs that stand for lost characters'],
  [/[^\0-\u007f\ue000-\ue002\ufffd…]/, 'characters outside ASCII'],
];

function strangers(body: string): readonly string[] {
  return STRANGERS.flatMap(([sign, name]) => (sign.test(body) ? [name] : []));
}

/** Bytes out of base64, base64url or hexadecimal; `undefined` where the text neither is one of these nor holds one. */
function encodedBytes(text: string): Buffer | undefined {
  const digits = text.replace(/0x|[\s:"'`,;-]/gi, '');
  if (/^(?:[0-9a-f]{2}){64,}$/i.test(digits)) return Buffer.from(digits, 'hex');
  const signs = text.replace(/[\s"'`,;\\|>\ue000-\ue002]/g, '');
  return heldBytes(text) ?? (/^[A-Za-z0-9+/_-]{8,}={0,2}$/.test(signs) ? Buffer.from(signs, 'base64') : undefined);
}

/** Runs of base64 that are looked at, in a text that holds more than one value. */
const MOST_RUNS = 20;

/** PEM or DER that stands in base64 within another text: a manifest, a line of a shell, an object of JSON. */
function heldBytes(text: string): Buffer | undefined {
  let end = 0;
  for (const { index } of [...text.matchAll(/[A-Za-z0-9+/]{40,}/g)].slice(0, MOST_RUNS)) {
    if (index < end) continue;
    const run = /^[A-Za-z0-9+/_\s"'`,\\|>\ue000-\ue002-]+/.exec(text.slice(index))?.[0] ?? '';
    end = index + run.length;
    // What follows it may have been taken for more of it: the name of the next value, or the next string.
    for (const part of [
      run,
      run.replace(/[^A-Za-z0-9+/_-]{1,20}[\w-]{0,60}[^A-Za-z0-9+/_-]{0,20}$/, ''),
      run.replace(/["',].*$/s, ''),
    ]) {
      const bytes = Buffer.from(part.replace(/[^A-Za-z0-9+/_-]/g, ''), 'base64');
      if (isLayer(bytes)) return bytes;
      const der = bytes.subarray(0, derLength(bytes) ?? 0);
      if (der.length === derLength(bytes) && shapeOf(der) !== 'other') return der;
    }
  }
  return undefined;
}

/** Whether bytes are text that holds PEM, or one more layer of base64. */
function isLayer(bytes: Buffer): boolean {
  const text = textOf(bytes);
  return /^[A-Za-z0-9+/=_\s-]{64,}$/.test(text) || blocksIn(unquoted(unescaped(text))).length > 0;
}

function beginsWithDer(bytes: Buffer): boolean {
  return (derLength(bytes) ?? Infinity) < bytes.length;
}

interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

/** One element of DER (X.690 section 8.1); none of those that we look at is longer than 16 MB. */
function elementAt(bytes: Buffer, at: number): Element | undefined {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) return undefined;
  if (first < 0x80) return { tag, start: at + 2, end: at + 2 + first };
  const more = first - 0x80;
  if (more < 1 || more > 3 || bytes.length < at + 2 + more) return undefined;
  const start = at + 2 + more;
  return { tag, start, end: start + bytes.readUIntBE(at + 2, more) };
}

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;

/** Bytes of the value of DER that begins here, as it says itself; `undefined` where none does. */
function derLength(bytes: Buffer): number | undefined {
  const outermost = elementAt(bytes, 0);
  return outermost?.tag === SEQUENCE ? outermost.end : undefined;
}

/** What a whole value of DER is: RFC 5208, 5958, 8017, 5915, 5280, 7292 and 2315 have the shapes. */
export function shapeOf(der: Buffer): Shape {
  // A keystore made by Windows or Java may not say its length.
  if (der.subarray(0, 5).equals(Buffer.from([SEQUENCE, 0x80, INTEGER, 1, 3]))) return 'pkcs12';
  const outermost = elementAt(der, 0);
  const parts: Element[] = [];
  for (let at = outermost?.start ?? der.length; at < der.length && parts.length < 12; ) {
    const part = elementAt(der, at);
    if (part === undefined) break;
    parts.push(part);
    at = part.end;
  }
  const [first, second] = parts;
  if (first === undefined || second === undefined) return 'other';
  const version = first.tag === INTEGER && first.end === first.start + 1 ? der[first.start] : undefined;
  if (version === 3 && second.tag === SEQUENCE) return 'pkcs12';
  if (version !== undefined && second.tag === SEQUENCE) return 'pkcs8';
  if (version === 1 && second.tag === OCTET_STRING) return 'sec1';
  if (version !== undefined && second.tag === INTEGER) return parts.length === 6 ? 'dsa' : 'pkcs1';
  if (first.tag === INTEGER && second.tag === INTEGER && parts.length === 2) return 'public';
  if (first.tag === OBJECT_IDENTIFIER) return 'pkcs7';
  if (first.tag !== SEQUENCE) return 'other';
  if (second.tag === BIT_STRING) return 'public';
  if (second.tag === OCTET_STRING) return 'locked';
  if (second.tag !== SEQUENCE || parts[2]?.tag !== BIT_STRING) return 'other';
  // What is signed begins with a version in a request (RFC 2986), in brackets in a certificate, and with a serial number in one of version 1.
  const signed = elementAt(der, first.start);
  const isVersion = signed?.tag === INTEGER && signed.end === signed.start + 1 && der[signed.start] === 0;
  return isVersion ? 'request' : 'certificate';
}
