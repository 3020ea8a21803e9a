import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Seed } from '../../../functions/core/connection/connection.ts';
import { Redacted } from '../../../functions/core/redacted.ts';
import {
  box,
  comesFrom,
  fingerprintOf,
  holdsSeed,
  jsonOrUndefined,
  knownToRotate,
  nextRecord,
  parseRecord,
  type TokenRecord,
  tokenMissing,
  tokensIn,
} from '../../../functions/core/token-rotation/token-record.ts';
import { thrownBy } from '../../support/rules.ts';
import { CODE_CONNECTION, OPERATORS, TOKENS, tokens } from '../../support/token-services.ts';

const AT = Date.parse('2026-11-24T09:00:00.000Z');
const TOKEN_SEED: Seed = { refreshToken: new Redacted('seed') };
const CODE_SEED: Seed = { authCode: new Redacted('code'), redirectUri: 'https://a.example/back' };
const BEFORE: TokenRecord = {
  connection: 'sf-eu',
  refreshToken: 'old',
  accessToken: 'stale',
  obtainedAt: '2026-11-24T08:00:00.000Z',
  rotates: false,
  seedFingerprint: 'other',
};
const secrets = { tokenSecret: TOKENS, operatorSecret: OPERATORS };
const sha256 = (parts: readonly string[]) => createHash('sha256').update(JSON.stringify(parts)).digest('hex');
const boxed = (value: unknown) => new Redacted(JSON.stringify(value));

describe('the record that follows from an exchange', () => {
  const next = (seed: Seed, fromSeed: boolean, issued: ReturnType<typeof tokens>, before = BEFORE) =>
    nextRecord({ ...CODE_CONNECTION, seed }, before, { fromSeed, tokens: issued, at: AT });

  it('keeps the refresh token that was sent where none came back', () => {
    expect(next(TOKEN_SEED, false, tokens('new'))).toEqual({
      connection: 'sf-eu',
      refreshToken: 'old',
      accessToken: 'new',
      obtainedAt: '2026-11-24T09:00:00.000Z',
      rotates: false,
      seedFingerprint: fingerprintOf(TOKEN_SEED),
    });
    expect(next(TOKEN_SEED, true, tokens('new'))).toMatchObject({ refreshToken: 'seed', rotates: false });
    expect(next(CODE_SEED, false, tokens('new'))).toMatchObject({ refreshToken: 'old', rotates: false });
  });

  it('says that Salesforce rotates once a refresh token other than the one sent came back', () => {
    expect(next(TOKEN_SEED, false, tokens('new', 'next'))).toMatchObject({ refreshToken: 'next', rotates: true });
    expect(next(TOKEN_SEED, true, tokens('new', 'next'))).toMatchObject({ refreshToken: 'next', rotates: true });
    expect(next(CODE_SEED, false, tokens('new', 'next'))).toMatchObject({ refreshToken: 'next', rotates: true });
  });

  it('takes the same refresh token for no sign of rotation', () => {
    expect(next(TOKEN_SEED, false, tokens('new', 'old'))).toMatchObject({ refreshToken: 'old', rotates: false });
    expect(next(TOKEN_SEED, true, tokens('new', 'seed'))).toMatchObject({ refreshToken: 'seed', rotates: false });
    expect(next(TOKEN_SEED, true, tokens('new', 'old'))).toMatchObject({ refreshToken: 'old', rotates: true });
  });

  it('takes the refresh token that a code brings for no sign of rotation', () => {
    expect(next(CODE_SEED, true, tokens('new', 'first'))).toMatchObject({ refreshToken: 'first', rotates: false });
  });

  it('has no refresh token where a code brought none, whatever was kept before', () => {
    expect(next(CODE_SEED, true, tokens('new'))).not.toHaveProperty('refreshToken');
  });

  it('never forgets that Salesforce rotates', () => {
    expect(next(TOKEN_SEED, false, tokens('new'), { ...BEFORE, rotates: true })).toMatchObject({ rotates: true });
    expect(next(CODE_SEED, true, tokens('new', 'first'), { ...BEFORE, rotates: true })).toMatchObject({
      rotates: true,
    });
  });
});

describe('the fingerprint of a seed', () => {
  it('is the SHA-256 of the kind and of every part, which other deployments of this version compare', () => {
    expect(fingerprintOf(TOKEN_SEED)).toBe(sha256(['refreshToken', 'seed']));
    expect(fingerprintOf(CODE_SEED)).toBe(sha256(['authCode', 'code', 'https://a.example/back']));
  });
});

describe('a token secret', () => {
  it('is read as it was written', () => {
    expect(parseRecord(box(BEFORE), secrets)).toEqual(BEFORE);
    expect(parseRecord(boxed({ connection: 'sf-eu', rotates: true }), secrets)).toEqual({
      connection: 'sf-eu',
      rotates: true,
    });
  });

  it.each([
    ['that is no JSON', new Redacted('{')],
    ['without a connection', boxed({ rotates: true })],
    ['without a word on rotation', boxed({ connection: 'sf-eu' })],
    ['with a date that is none', boxed({ ...BEFORE, obtainedAt: 'yesterday' })],
    ['with a date that is a number', boxed({ ...BEFORE, obtainedAt: AT })],
    ['with a refresh token that is no text', boxed({ ...BEFORE, refreshToken: 1 })],
    ['with an access token that is no text', boxed({ ...BEFORE, accessToken: 1 })],
    ['with a fingerprint that is no text', boxed({ ...BEFORE, seedFingerprint: 1 })],
  ])('%s is refused as changed by somebody else', (_, value) => {
    expect(thrownBy(() => parseRecord(value, secrets))).toMatchObject({
      code: 'SECRET_MALFORMED',
      message: 'appflow-token-refresher-tokens/sf-eu does not hold what we wrote: somebody else changed it.',
      hint: 'Move AWSCURRENT of appflow-token-refresher-tokens/sf-eu back to the version before. Where that is no help, authorise the app again, store the new refresh token in appflow-token-refresher/sf-eu, and then delete appflow-token-refresher-tokens/sf-eu.',
    });
  });

  it('is known to rotate only where it can be read and says so', () => {
    expect(knownToRotate(undefined)).toBe(false);
    expect(knownToRotate(new Redacted('{'))).toBe(false);
    expect(knownToRotate(boxed({ rotates: true }))).toBe(false);
    expect(knownToRotate(box(BEFORE))).toBe(false);
    expect(knownToRotate(box({ ...BEFORE, rotates: true }))).toBe(true);
  });

  it('comes from a seed only where it can be read and has its fingerprint', () => {
    const record = { ...BEFORE, seedFingerprint: fingerprintOf(TOKEN_SEED) };
    expect(comesFrom(undefined, TOKEN_SEED)).toBe(false);
    expect(comesFrom(new Redacted('{'), TOKEN_SEED)).toBe(false);
    expect(comesFrom(boxed({ seedFingerprint: fingerprintOf(TOKEN_SEED) }), TOKEN_SEED)).toBe(false);
    expect(comesFrom(box(record), CODE_SEED)).toBe(false);
    expect(comesFrom(box(record), TOKEN_SEED)).toBe(true);
  });

  it('that is no JSON is read as nothing', () => {
    expect(jsonOrUndefined(new Redacted('{'))).toBeUndefined();
    expect(jsonOrUndefined(new Redacted('[1]'))).toEqual([1]);
  });
});

describe("the value of the operator's secret", () => {
  const code = { authCode: 'code', redirectUri: 'https://a.example/back' };

  it('holds the seed that it names', () => {
    expect(holdsSeed(boxed({ refreshToken: 'seed', clientId: 'c' }), TOKEN_SEED)).toBe(true);
    expect(holdsSeed(boxed({ oAuthRequest: code }), CODE_SEED)).toBe(true);
    // As the parser of connections reads it, so that a seed is never taken for changed.
    expect(holdsSeed(boxed({ oAuthRequest: JSON.stringify(code) }), CODE_SEED)).toBe(true);
    const json = JSON.stringify({ refreshToken: 'seed' });
    for (const text of [`\ufeff${json}`, JSON.stringify(json)])
      expect(holdsSeed(new Redacted(text), TOKEN_SEED)).toBe(true);
  });

  it.each([
    ['another refresh token', { refreshToken: 'another' }, TOKEN_SEED],
    ['another code', { oAuthRequest: { ...code, authCode: 'another' } }, CODE_SEED],
    ['another redirect', { oAuthRequest: { ...code, redirectUri: 'https://b.example' } }, CODE_SEED],
    ['a code without redirect', { oAuthRequest: { authCode: 'code' } }, CODE_SEED],
    ['a redirect without code', { oAuthRequest: { redirectUri: code.redirectUri } }, CODE_SEED],
    ['a refresh token that is no text', { refreshToken: 1 }, TOKEN_SEED],
    ['no seed', { clientId: 'c' }, TOKEN_SEED],
    ['no seed at all', null, CODE_SEED],
    ['the other kind of seed', { refreshToken: 'code' }, CODE_SEED],
  ])('does not hold a seed where it has %s', (_, value, seed) => {
    expect(holdsSeed(boxed(value), seed)).toBe(false);
  });
});

describe('the tokens of a record', () => {
  it('are both of them, in boxes, with what is known of rotation', () => {
    const { accessToken, refreshToken, rotates } = tokensIn({ ...BEFORE, rotates: true }, OPERATORS);
    expect([accessToken.reveal(), refreshToken.reveal(), rotates]).toEqual(['stale', 'old', true]);
  });

  it('are refused without a refresh token, which the app has no scope for', () => {
    const { refreshToken: _, ...without } = BEFORE;
    const said = {
      code: 'SALESFORCE_REFUSED',
      message: 'Salesforce issued no refresh token.',
      hint: 'Give the connected app the scope refresh_token (offline_access), authorise it again and store the new code or refresh token in appflow-token-refresher/sf-eu.',
    };
    expect(thrownBy(() => tokensIn(without, OPERATORS))).toMatchObject(said);
    expect(tokenMissing('refresh', OPERATORS)).toMatchObject(said);
  });

  it('are unreadable without an access token: the next exchange may bring one', () => {
    const { accessToken: _, ...without } = BEFORE;
    expect(thrownBy(() => tokensIn(without, OPERATORS))).toMatchObject({
      code: 'SALESFORCE_REPLY_UNREADABLE',
      retryable: true,
      message: 'Salesforce issued no access token that can be read.',
      hint: expect.stringMatching(/next attempt comes by itself.*appflow-token-refresher\/sf-eu/),
    });
  });

  it('end when the record says', () => {
    const expiresAt = '2026-11-24T09:15:00.000Z';
    expect(tokensIn({ ...BEFORE, accessTokenExpiresAt: expiresAt }, OPERATORS).expiresAt).toEqual(new Date(expiresAt));
    expect(tokensIn(BEFORE, OPERATORS)).not.toHaveProperty('expiresAt');
  });
});
