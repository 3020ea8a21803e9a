/**
 * One entry of `LOGIN_HOSTS` or `INSTANCE_HOSTS` that cannot be understood, as a sentence; `undefined` where it is fine. An entry is a host name over https,
 * in which a leading `*` stands for one or more labels, or `http://127.0.0.1:*` or `http://localhost:*` for a local stand-in.
 */
export function hostProblem(entry: string): string | undefined {
  const port = LOOPBACK.exec(entry)?.[2];
  if (port === '*' || Number(port) <= 65_535 || HOST.test(entry)) return undefined;
  return 'an entry is a host such as login.salesforce.com or *.my.salesforce.com, or http://127.0.0.1:* for a local stand-in';
}

/** The ports of an entry: `*` or one number. Plain http is for loopback alone, where nothing can listen in. */
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
