import { dateAt, endAfter } from '../core/access-token-end.ts';
import type { Tokens } from '../core/ports.ts';
import { Redacted } from '../core/redacted.ts';

/** Bytes of a response that are read at most; a token response has about 1,000. */
const LONGEST_BODY = 65_536;

/** What Salesforce answered. A member of it counts as absent where it is null, empty or of another type than it should be. */
export interface Reply {
  readonly status: number;
  /** The server's clock, epoch milliseconds (its `Date` header). */
  readonly serverNow: number | undefined;
  /** The body; empty where it is longer than any answer of Salesforce's. */
  readonly text: string;
  /** The members of the object that the body is, or of the first in a list, in any format that Salesforce knows; none where it is no object. */
  readonly members: ReadonlyMap<string, unknown>;
  /** Where a redirect points to, or a page that leads on by itself. */
  readonly leadsTo: Destination | undefined;
}

export interface Destination {
  /** Fit to be shown; never the path or query, which may hold tokens. */
  readonly host: string;
  /** Whether scheme, host or port are others than those that were asked. */
  readonly isElsewhere: boolean;
  /** Whether it is a redirect of HTTP, and not a page. */
  readonly isRedirect: boolean;
}

/**
 * Reads an answer, whatever its content type says.
 *
 * @throws TypeError where the connection is cut, unless a token arrived before: Salesforce has spent another for it
 */
export async function readReply(response: Response): Promise<Reply> {
  const { status, headers, url } = response;
  const { text, cut } = await textOf(response);
  const isSuccess = status >= 200 && status < 300;
  if (cut !== undefined && !(isSuccess && written(text, 'refresh_token') !== undefined)) throw cut;
  const date = Date.parse(headers.get('date') ?? '');
  const members = membersOf(text);
  const location = status >= 300 && status < 400 ? headers.get('location') : null;
  const address = location ?? (members.size === 0 ? onwardFrom(text) : undefined);
  return {
    status,
    serverNow: Number.isNaN(date) ? undefined : date,
    text,
    members,
    leadsTo: address === undefined ? undefined : destination(address, url, location !== null),
  };
}

/** The tokens of a reply (RFC 6749 section 5.1); `undefined` where it has none. @param askedAt epoch milliseconds of the request */
export function tokensOf(reply: Reply, askedAt: number): Tokens | undefined {
  if (reply.status < 200 || reply.status >= 300) return undefined;
  const [accessToken, refreshToken] = ['access_token', 'refresh_token'].map((name) => {
    // A token that was issued in a damaged answer is issued all the same, and what was spent for it is gone.
    const token = textIn(reply, name) ?? written(reply.text, name);
    return token === undefined ? undefined : new Redacted(token);
  });
  if (accessToken === undefined && refreshToken === undefined) return undefined;
  const seconds = secondsIn(reply, 'expires_in');
  // From the request on, since that is no later than the truth.
  const expiresAt = seconds === undefined ? undefined : endAfter(seconds, askedAt);
  return { accessToken, refreshToken, ...(expiresAt && { expiresAt }) };
}

/** The OAuth error of a reply (RFC 6749 section 5.2), or one in the shape of Salesforce's API; `undefined` where it has none. */
export function errorOf(
  reply: Reply,
): { readonly error: string; readonly description: string | undefined } | undefined {
  const error = textIn(reply, 'error') ?? textIn(reply, 'errorCode');
  if (error === undefined) return undefined;
  return { error, description: textIn(reply, 'error_description') ?? textIn(reply, 'message') };
}

/** RFC 7662 section 2.2: whether a token is active. @returns `undefined` where the reply does not say */
export function isIntrospectedActive(reply: Reply): boolean | undefined {
  const active = reply.status === 200 ? String(reply.members.get('active')) : '';
  if (/^(?:true|1)$/i.test(active)) return true;
  return /^(?:false|0)$/i.test(active) ? false : undefined;
}

/** RFC 7662 section 2.2: when an active token ends. @returns `undefined` where the reply does not say */
export function introspectedEnd(reply: Reply): Date | undefined {
  if (reply.status !== 200 || isIntrospectedActive(reply) === false) return undefined;
  const seconds = secondsIn(reply, 'exp');
  return seconds === undefined ? undefined : dateAt(seconds);
}

/** A member that is text, and not empty. */
export function textIn({ members }: Reply, name: string): string | undefined {
  const value = members.get(name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A number, also where it is written as text. */
function secondsIn({ members }: Reply, name: string): number | undefined {
  const value = members.get(name);
  if (typeof value === 'number') return value;
  return typeof value === 'string' && /^\s*\d{1,20}(?:\.\d{1,20})?\s*$/.test(value) ? Number(value) : undefined;
}

/** The last member of that name that stands whole in a text which need not be JSON as a whole: cut off, framed by a page, or named twice. */
function written(text: string, name: string): string | undefined {
  const found = [...text.matchAll(new RegExp(`"${name}"\\s*:\\s*("(?:[^"\\\\\\u0000-\\u001f]|\\\\.)+")`, 'g'))].at(
    -1,
  )?.[1];
  try {
    const value: unknown = found === undefined ? undefined : JSON.parse(found);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

async function textOf(response: Response): Promise<{ readonly text: string; readonly cut?: unknown }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  let cut: unknown;
  try {
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      length += chunk.length;
      // Leaving the loop cancels the rest.
      if (length > LONGEST_BODY) return { text: '' };
    }
  } catch (error) {
    cut = error;
  }
  const bytes = Buffer.concat(chunks);
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  // The decoder takes one byte order mark away, and trimming any more of them.
  const text = new TextDecoder(encoding).decode(bytes).trim();
  return cut === undefined ? { text } : { text, cut };
}

/** The formats of Salesforce's token endpoint: JSON, which is asked for, a form and XML. A page or a program may frame JSON. */
function membersOf(text: string): ReadonlyMap<string, unknown> {
  const whole = jsonMembers(text);
  if (whole !== undefined) return whole;
  if (/^[\w.]{1,60}=[^\s<>&]*(?:&[\w.]{1,60}=[^\s<>&]*)*$/.test(text)) return new Map(new URLSearchParams(text));
  const framed = jsonMembers(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1));
  if (framed?.has('error') === true || framed?.has('errorCode') === true) return framed;
  return new Map([...text.matchAll(ELEMENT)].map(([, name = '', value = '']) => [name, value]));
}

const ELEMENT =
  /<(error|error_description|errorCode|message|access_token|refresh_token|expires_in|exp|active)>([^<>&]{1,5000})<\/\1>/g;

function jsonMembers(text: string): ReadonlyMap<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const one: unknown = Array.isArray(value) ? value[0] : value;
    return new Map(typeof one === 'object' && one !== null ? Object.entries(one) : []);
  } catch {
    return undefined;
  }
}

/** The address to which a page of HTML sends a browser by itself. */
function onwardFrom(page: string): string | undefined {
  const meta = /<meta\b[^>]{0,200}\bhttp-equiv\s*=\s*["']?refresh\b[^>]{0,2000}/i.exec(page)?.[0] ?? '';
  const script = /\blocation(?:\.href)?\s*(?:=|\.replace\(|\.assign\()\s*["'](https?:[^"'\s]{1,2000})/i.exec(page)?.[1];
  return /\burl\s*=\s*["']?([^"'\s>]{1,2000})/i.exec(meta)?.[1] ?? script?.replaceAll('\\/', '/');
}

function destination(address: string, asked: string, isRedirect: boolean): Destination | undefined {
  const url = URL.parse(address, asked);
  if (url === null || !/^https?:$/.test(url.protocol) || !/^[\w.:[\]-]{1,120}$/.test(url.host)) return undefined;
  return { host: url.host, isElsewhere: url.origin !== URL.parse(asked)?.origin, isRedirect };
}
