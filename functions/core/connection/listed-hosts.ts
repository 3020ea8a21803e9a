/** What an entry of `LOGIN_HOSTS` or `INSTANCE_HOSTS` admits. */
export type HostEntry =
  /** One host over https. */
  | { readonly kind: 'host' }
  /** One or more labels below a domain, over https. */
  | { readonly kind: 'star'; readonly domain: string }
  /** A stand-in on this machine, over plain http, where nothing can listen in. */
  | { readonly kind: 'loopback' };

/**
 * Reads one entry: a host name, in which a leading `*` stands for one or more labels, or `http://127.0.0.1:*` or `http://localhost:*`.
 * @returns `undefined` where it is none of these
 */
export function hostEntry(entry: string): HostEntry | undefined {
  if (entry.length > LONGEST) return undefined;
  const port = LOOPBACK.exec(entry)?.[2];
  if (port !== undefined) return port === '*' || Number(port) <= 65_535 ? { kind: 'loopback' } : undefined;
  if (!HOST.test(entry) || entry.split('.').some((label) => label.length > 63)) return undefined;
  return entry.startsWith('*.') ? { kind: 'star', domain: entry.slice(2) } : { kind: 'host' };
}

/** Characters: a name of the DNS has 253, and a star stands before it. */
const LONGEST = 255;
/** The ports of an entry: `*` or one number. */
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|localhost):(\*|\d{1,5})$/;
const HOST = /^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?$/;

/** Whether a token, assertion or secret may be sent to the origin: https at the standard port of a listed host, or listed loopback. */
export function isListedHost(origin: string, entries: readonly string[]): boolean {
  const url = URL.parse(origin);
  if (url === null || url.username !== '' || url.password !== '') return false;
  return entries.some((entry) => {
    const loopback = LOOPBACK.exec(entry);
    if (loopback !== null) {
      const [, host, port] = loopback;
      return url.protocol === 'http:' && url.hostname === host && (port === '*' || port === (url.port || '80'));
    }
    if (url.protocol !== 'https:' || url.port !== '') return false;
    return entry.startsWith('*.') ? isBelow(url.hostname, entry.slice(1)) : url.hostname === entry;
  });
}

/** Whether one or more whole labels stand before the suffix, which begins with a dot. */
function isBelow(hostname: string, suffix: string): boolean {
  return hostname.endsWith(suffix) && hostname.split('.').every((label) => label !== '');
}
