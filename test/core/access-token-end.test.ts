import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dateAt, earliest, endOf } from '../../functions/core/access-token-end.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { jwtWith } from '../support/salesforce-between.ts';

const SECOND = 1_795_500_000;
const endOfText = (token: string) => endOf({ accessToken: new Redacted(token) });

describe('the end of an access token', () => {
  it('is what the token says itself, with a fraction or without', () => {
    expect(endOfText(jwtWith({ exp: SECOND }))).toEqual(new Date(SECOND * 1000));
    expect(endOfText(jwtWith({ exp: SECOND + 0.5 }))).toEqual(new Date(SECOND * 1000 + 500));
    for (const exp of [String(SECOND), `${SECOND}.0`, SECOND * 1000, String(SECOND * 1000)])
      expect(endOfText(jwtWith({ exp })), String(exp)).toEqual(new Date(SECOND * 1000));
  });

  it('is the earlier of what the reply and the token say', () => {
    const accessToken = new Redacted(jwtWith({ exp: SECOND }));
    const [before, after] = [new Date((SECOND - 1) * 1000), new Date((SECOND + 1) * 1000)];
    expect(endOf({ accessToken, expiresAt: before })).toEqual(before);
    expect(endOf({ accessToken, expiresAt: after })).toEqual(new Date(SECOND * 1000));
    expect(endOf({ accessToken: undefined, expiresAt: after })).toEqual(after);
    expect(endOf({ accessToken: undefined })).toBeNull();
  });

  const [header, claims, signature] = jwtWith({ exp: SECOND }).split('.');
  it.each([
    ['an opaque token', '00D8d00000Local!AQ.abc.def'],
    ['two segments', `${header}.${claims}`],
    ['four segments', `${header}.${claims}.${signature}.x`],
    ['five segments, which are encrypted', `${header}.${claims}.a.b.c`],
    ['an empty header', `.${claims}.${signature}`],
    ['a header that is no JSON', `bm90IGpzb24.${claims}.${signature}`],
    ['a header that is a list', jwtWith({ exp: SECOND }, [])],
    ['claims that are a list', jwtWith([{ exp: SECOND }])],
    ['claims that are null', jwtWith(null)],
    ['claims in plain base64', `${header}.eyJ+/w==.${signature}`],
    ['claims that are cut off', `${header}.${claims?.slice(0, -3)}.${signature}`],
    ['no exp', jwtWith({ iat: SECOND })],
    ['exp as a word', jwtWith({ exp: 'soon' })],
    ['exp in another notation', jwtWith({ exp: '1.7955e9' })],
    ['exp null', jwtWith({ exp: null })],
    ['exp zero', jwtWith({ exp: 0 })],
    ['exp negative', jwtWith({ exp: -SECOND })],
    ['exp a duration', jwtWith({ exp: 900 })],
    ['exp beyond all dates', jwtWith({ exp: 1e300 })],
    ['exp in microseconds', jwtWith({ exp: SECOND * 1_000_000 })],
    ['nothing', ''],
  ])('is unknown of %s', (_, token) => {
    expect(endOfText(token)).toBeNull();
  });

  it('never throws, and is a date that a timestamp of four digits spells, whatever the token is', () => {
    const segment = fc.oneof(
      fc.string(),
      fc.json().map((json) => Buffer.from(json).toString('base64url')),
      fc.double().map((exp) => Buffer.from(JSON.stringify({ exp })).toString('base64url')),
    );
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 5 }), (segments) => {
        const end = endOfText(segments.join('.'));
        if (end !== null) expect(end.toISOString()).toMatch(/^\d{4}-/);
      }),
    );
  });
});

it('takes seconds that no token could end at for none', () => {
  for (const seconds of [Number.NaN, -1, 0, 900, 946_684_799, 253_402_300_800, Number.POSITIVE_INFINITY])
    expect(dateAt(seconds), String(seconds)).toBeUndefined();
  expect(dateAt(253_402_300_799)?.toISOString()).toBe('9999-12-31T23:59:59.000Z');
});

it('finds the earliest of the ends that are known', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 1e13 }), { nil: undefined })), (times) => {
      const known = times.filter((time) => time !== undefined);
      const ends = times.map((time) => (time === undefined ? null : new Date(time)));
      expect(earliest(...ends)).toEqual(known.length === 0 ? null : new Date(Math.min(...known)));
    }),
  );
});
