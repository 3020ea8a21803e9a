import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostEntry, isListedHost } from '../../../functions/core/connection/listed-hosts.ts';

const HOSTS = ['login.salesforce.com', 'test.salesforce.com', '*.my.salesforce.com'];

describe('checking a login host', () => {
  it.each([
    'https://login.salesforce.com',
    'https://test.salesforce.com',
    'https://acme.my.salesforce.com',
    'https://acme--dev.sandbox.my.salesforce.com',
    'https://a.b.c.my.salesforce.com',
    'https://LOGIN.Salesforce.COM',
    'HTTPS://ACME.MY.SALESFORCE.COM',
    'https://login.salesforce.com:443',
  ])('accepts %s', (origin) => {
    expect(isListedHost(origin, HOSTS)).toBe(true);
  });

  it.each([
    ['a listed name with more behind it', 'https://login.salesforce.com.evil.com'],
    ['a listed name with more before it', 'https://evil-login.salesforce.com'],
    ['a name below a listed one without a star', 'https://evil.login.salesforce.com'],
    ['the name behind the star alone', 'https://my.salesforce.com'],
    ['a name that only ends alike', 'https://evilmy.salesforce.com'],
    ['the name behind the star with more behind it', 'https://acme.my.salesforce.com.evil.com'],
    ['a listed name as user', 'https://login.salesforce.com@evil.com'],
    ['a listed name as user and password', 'https://login.salesforce.com:443@evil.com'],
    ['a listed name with a user', 'https://user@login.salesforce.com'],
    ['a listed name with a password', 'https://:password@login.salesforce.com'],
    ['a listed name as path', 'https://evil.com/login.salesforce.com'],
    ['a listed name as path with a star', 'https://evil.com/.my.salesforce.com'],
    ['a listed name as query', 'https://evil.com?.my.salesforce.com'],
    ['a listed name as fragment', 'https://evil.com#.my.salesforce.com'],
    ['a backslash, which browsers read as a slash', 'https://evil.com\\.my.salesforce.com'],
    ['an encoded slash', 'https://evil.com%2f.my.salesforce.com'],
    ['an encoded null', 'https://evil.com%00.my.salesforce.com'],
    ['a trailing dot', 'https://login.salesforce.com.'],
    ['a trailing dot below a star', 'https://acme.my.salesforce.com.'],
    ['another port', 'https://login.salesforce.com:8443'],
    ['port 80', 'https://login.salesforce.com:80'],
    ['http', 'http://login.salesforce.com'],
    ['http at the port of https', 'http://login.salesforce.com:443'],
    ['a WebSocket', 'wss://login.salesforce.com'],
    ['a missing scheme', 'login.salesforce.com'],
    ['a relative scheme', '//login.salesforce.com'],
    ['a Cyrillic a', 'https://login.s\u0430lesforce.com'],
    ['a Greek omicron below a star', 'https://acme.my.salesf\u03bfrce.com'],
    ['a dotless i', 'https://log\u0131n.salesforce.com'],
    ['a listed name as an unlisted label in punycode', 'https://login.xn--slesforce-0yh.com'],
    ['an IP address', 'https://127.0.0.1'],
    ['an empty text', ''],
    ['loopback that is not listed', 'http://127.0.0.1:8080'],
  ])('rejects %s: %s', (_what, origin) => {
    expect(isListedHost(origin, HOSTS)).toBe(false);
  });

  it('lets a star stand for one or more labels in front, and for nothing elsewhere', () => {
    const label = fc
      .stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/)
      .filter((text) => !text.startsWith('xn--') && !/^\d/.test(text));
    const labels = fc.array(label, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(labels, labels, (front, back) => {
        expect(isListedHost(`https://${front.join('.')}.my.salesforce.com`, HOSTS)).toBe(true);
        expect(isListedHost(`https://${front.join('.')}.my.salesforce.com.${back.join('.')}`, HOSTS)).toBe(false);
        expect(isListedHost(`https://${front.join('.')}my.salesforce.com`, ['*.my.salesforce.com'])).toBe(
          front.at(-1) === '',
        );
        expect(isListedHost(`https://${back.join('.')}.example`, HOSTS)).toBe(false);
      }),
    );
  });

  it.each(['https://.my.salesforce.com', 'https://acme..my.salesforce.com'])(
    'rejects an empty label below a star: %s',
    (origin) => {
      expect(isListedHost(origin, HOSTS)).toBe(false);
    },
  );

  it('rejects every host when none is listed', () => {
    expect(isListedHost('https://login.salesforce.com', [])).toBe(false);
  });
});

describe('a local login host', () => {
  it('is admitted on every port by a star and on one port by its number', () => {
    expect(isListedHost('http://127.0.0.1:8123', ['http://127.0.0.1:*'])).toBe(true);
    expect(isListedHost('http://localhost:8123', ['http://localhost:*'])).toBe(true);
    expect(isListedHost('http://127.0.0.1:8123', ['http://127.0.0.1:8123'])).toBe(true);
    expect(isListedHost('http://127.0.0.1:8124', ['http://127.0.0.1:8123'])).toBe(false);
  });

  it.each([
    'http://localhost:8123',
    'https://127.0.0.1:8123',
    'http://127.0.0.2:8123',
    'http://127.0.0.1.evil.com:8123',
    'http://127.0.0.1@evil.com:8123',
    'http://[::1]:8123',
  ])('is rejected under another name or scheme than http://127.0.0.1:*: %s', (origin) => {
    expect(isListedHost(origin, ['http://127.0.0.1:*'])).toBe(false);
  });

  it('leaves every other host restricted to https', () => {
    expect(isListedHost('http://login.salesforce.com:8123', [...HOSTS, 'http://127.0.0.1:*'])).toBe(false);
  });
});

describe('checking an entry of LOGIN_HOSTS', () => {
  it.each([
    ...HOSTS,
    '*.salesforce.com',
    'a-b.example.co',
    'http://127.0.0.1:*',
    'http://localhost:*',
    'http://127.0.0.1:8123',
    `*.${'a'.repeat(63)}.com`,
  ])('accepts %s', (entry) => {
    const kind = entry.startsWith('http:') ? 'loopback' : entry.startsWith('*.') ? 'star' : 'host';
    expect(hostEntry(entry)).toEqual(kind === 'star' ? { kind, domain: entry.slice(2) } : { kind });
  });

  it.each([
    '',
    '*',
    '*.com',
    'com',
    'localhost',
    '*salesforce.com',
    'login.*.com',
    '*.*.salesforce.com',
    'https://login.salesforce.com',
    'http://login.salesforce.com',
    'http://evil.com:*',
    'http://127.0.0.1',
    'http://127.0.0.1:',
    'http://127.0.0.1:*/x',
    'https://127.0.0.1:*',
    'Login.salesforce.com',
    'login.salesforce.com.',
    '.salesforce.com',
    'login..com',
    'login.salesforce.com:443',
    'login.salesforce.com/x',
    'user@login.salesforce.com',
    ' login.salesforce.com',
    'login.salesforce.com\n',
    '127.0.0.1',
    '-a.example.com',
    'a-.example.com',
    'http://127.0.0.1:65536',
    `${'a'.repeat(64)}.com`,
    `${'a.'.repeat(130)}com`,
  ])('rejects %o', (entry) => {
    expect(hostEntry(entry)).toBeUndefined();
  });

  // Work that grows with the square of its length would take this test beyond its time.
  it('rejects an entry of any length', () => {
    for (const unit of ['a', 'a-', 'a.', '-']) expect(hostEntry(unit.repeat(500_000))).toBeUndefined();
  });
});
