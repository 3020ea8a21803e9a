import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ERROR_CODES,
  type ErrorCode,
  errorNames,
  outOfTime,
  RefreshError,
  Unanswered,
} from '../../functions/core/errors.ts';
import type { Hint } from '../../functions/core/hint.ts';
import { bounded, enumerated, MOST_HINT, MOST_MESSAGE, publicName, unknownKey } from '../../functions/core/wording.ts';
import { hintForOperator } from '../../infra/cli/hints.ts';

const codes = fc.constantFrom<ErrorCode>(...(Object.keys(ERROR_CODES) as ErrorCode[]));
/** Texts of any length and of any code units, halves of pairs among them. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 1_200, size: 'max' }),
  fc
    .tuple(
      fc.string({ unit: fc.constantFrom('a', '😀', '\ud83d', '\ude00', '\n', '\u202e', '\u0007'), maxLength: 8 }),
      fc.nat(1_200),
    )
    .map(([unit, times]) => unit.repeat(times)),
);
const hint: fc.Arbitrary<Hint> = fc.oneof(
  text.map((words) => ({
    kind: 'do' as const,
    text: words,
    command: { name: 'authorize' as const, connection: words },
  })),
  text.map((ifItDoes) => ({ kind: 'wait' as const, ifItDoes })),
  fc.tuple(text, text).map(([what, also]) => ({ kind: 'allow' as const, what, also })),
  fc.constant({ kind: 'environment' as const }),
);
const UNSHOWN = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

describe('an error, whatever was put into it', () => {
  it('has a message of at most 1,000 characters and hints of at most 500, each one line of whole characters', () => {
    fc.assert(
      fc.property(codes, text, fc.oneof(text, hint), (code, message, next) => {
        for (const error of [
          new RefreshError(code, message, next),
          Unanswered.of(new RefreshError(code, message, next)),
          outOfTime(message),
        ]) {
          expect(error.message.length).toBeLessThanOrEqual(1_000);
          for (const shown of [error.hint, hintForOperator(error.next)]) {
            expect(shown.length).toBeLessThanOrEqual(500);
            expect(shown.isWellFormed() && !UNSHOWN.test(shown)).toBe(true);
          }
          expect(error.message.isWellFormed() && !UNSHOWN.test(error.message)).toBe(true);
        }
      }),
    );
  });

  it('says the same as what was put in where that is short and plain', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii', maxLength: 500 }), (plain) => {
        const error = new RefreshError('OUT_OF_TIME', plain, plain);
        expect([error.message, error.hint]).toEqual([plain, plain]);
      }),
    );
  });

  it.each([
    ['a'.repeat(1_001), `${'a'.repeat(999)}…`],
    ['a'.repeat(1_000), 'a'.repeat(1_000)],
    [`${'a'.repeat(998)}😀b`, `${'a'.repeat(998)}…`],
    [`${'a'.repeat(997)}😀bc`, `${'a'.repeat(997)}😀…`],
  ])('is cut at a whole character, with an ellipsis', (message, cut) => {
    expect(new RefreshError('OUT_OF_TIME', message, '').message).toBe(cut);
  });
});

describe('a list in a message', () => {
  it('names five and counts the rest', () => {
    const names = Array.from({ length: 5_000 }, (_, n) => `sf-${n}`);
    expect(enumerated(names)).toBe('sf-0, sf-1, sf-2, sf-3, sf-4 and 4,995 more');
    expect(enumerated(names.slice(0, 5))).toBe('sf-0, sf-1, sf-2, sf-3, sf-4');
    expect(enumerated(names.slice(0, 6), '; ')).toBe('sf-0; sf-1; sf-2; sf-3; sf-4 and 1 more');
    expect(enumerated([])).toBe('');
  });

  it('keeps its count where the names are as long as names can be', () => {
    const names = Array.from({ length: 5_000 }, (_, n) => `${n}${'n'.repeat(396)}`);
    const { message } = new RefreshError('PROFILE_SHARED', `The secrets of ${enumerated(names)} name one profile.`, '');
    expect(message).toContain(' and 4,995 more name one profile.');
    expect(message.length).toBeLessThanOrEqual(MOST_MESSAGE);
    expect(bounded(message, MOST_HINT)).toHaveLength(MOST_HINT);
  });
});

describe('a name from outside', () => {
  it.each([
    'ThrottlingException',
    'AWS.SimpleQueueService.NonExistentQueue',
    'ECONNRESET',
    'EAI_AGAIN',
    'ERR_HTTP2',
    'KMSInvalidStateException',
    'Error',
    'unknown_error',
    `${'abcdefg_'.repeat(7)}abcdefgh`,
  ])('is repeated: %s', (name) => {
    expect(publicName(name)).toBe(name);
  });

  it.each([
    undefined,
    null,
    7,
    '',
    'two words',
    'a\nb',
    'a\u202eb',
    '<html>',
    'a'.repeat(65),
    `${'abcdefg_'.repeat(7)}abcdefghi`,
    'naïve',
  ])('is not repeated where it does not look like one: %j', (name) => {
    expect(publicName(name)).toBe('an unnamed error');
  });

  it('is held to that among the names of causes too', () => {
    const inner = Object.assign(new Error('x'), { name: 'secret value here' });
    expect(errorNames(new RefreshError('OUT_OF_TIME', '', '', inner))).toEqual(['OUT_OF_TIME', 'an unnamed error']);
  });
});

describe('an unknown key', () => {
  it.each([
    'clientid',
    'clientID',
    'client_id',
    'loginURL',
    'login-url',
    'dryrun',
    'retry2',
    '__proto__',
    'a.b',
    'abcdefghij_abcdefghij_ab',
  ])('is called by its name where that reads as words: %s', (key) => {
    expect(unknownKey(key)).toBe(key);
  });

  it.each([
    '5Aep861TSESvWeug',
    'aB3dE5gH7jK9',
    'xKqTzWvRpLmN',
    '0a1b2c3d4e5f6a7b',
    'correct horse',
    'ünïcode',
    'a'.repeat(25),
    'abcdefghij_abcdefghij_abc',
    '1abc',
    '',
  ])('is not, where it may be a value that was pasted in its place: %s', (key) => {
    expect(unknownKey(key)).toBe('a key whose name is not shown');
  });

  it('is not where it was drawn by lot, as tokens are', () => {
    const drawn = Array.from({ length: 20_000 }, (_, n) =>
      createHash('sha256')
        .update(`${n}`)
        .digest('base64')
        .slice(0, 12 + (n % 13)),
    );
    const shown = drawn.filter((key) => unknownKey(key) === key);
    expect(shown.length).toBeLessThan(40);
  });
});
