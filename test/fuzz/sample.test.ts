import { describe, expect, it } from 'vitest';
import { Secrets } from '../support/leaks.ts';
import { seedOf } from './target.ts';
import { TARGETS } from './targets.ts';

// The same few thousand inputs each time; `npm run fuzz` feeds a million others.
describe('whatever comes from outside', () => {
  it.each(TARGETS.map((target) => [target.name, target] as const))(
    'is taken or refused in our own words, at once, without a piece of a secret: %s',
    async (name, target) => {
      const { finding, runs } = await target.attack(seedOf(2_026, name, 0), Math.ceil(target.runs / 200));
      expect(finding).toBeUndefined();
      expect(runs).toBe(Math.ceil(target.runs / 200));
    },
  );
});

describe('the search for pieces of a secret', () => {
  const secret = 'Zq7Xw2Kk9Jv4Qy8Rt1Mn6Hb3Gd5Ls0';
  const secrets = new Secrets();
  secrets.add('it', secret);

  it.each([
    ['12 characters of it', `…${secret.slice(9, 21)}…`],
    ['all of it, in JSON', JSON.stringify({ secret })],
    ['base64', Buffer.from(`a${secret}`).toString('base64')],
    ['base64 after two bytes', Buffer.from(`ab${secret}z`).toString('base64')],
    ['base64url', Buffer.from(`{"k":"${secret}"}`).toString('base64url')],
    ['hex', Buffer.from(secret).toString('hex')],
    ['hex in capitals', Buffer.from(secret).toString('hex').toUpperCase()],
  ])('finds %s', (_, text) => {
    expect(secrets.in(text)).toBe('it');
  });

  it.each([
    ['11 characters of it', secret.slice(3, 14)],
    ['other words', 'The function took the event.'],
  ])('is silent about %s', (_, text) => {
    expect(secrets.in(text)).toBeUndefined();
  });
});
