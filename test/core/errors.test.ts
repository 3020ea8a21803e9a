import { describe, expect, it } from 'vitest';
import {
  bugIn,
  CredentialsRefused,
  ERROR_CODES,
  errorNames,
  orRefreshError,
  outOfTime,
  RefreshError,
  Unanswered,
} from '../../functions/core/errors.ts';
import { type Hint, hintForLog, sentences } from '../../functions/core/hint.ts';
import { failed, shown } from '../../functions/core/report.ts';

describe('an error of the product', () => {
  it('is named by its code, and carries the cause only where there is one', () => {
    const cause = new TypeError('x');
    const error = new RefreshError('KMS_UNAVAILABLE', 'KMS is down.', 'Wait.', cause);
    expect([error.name, error.code, error.retryable, error.message, error.hint]).toEqual([
      'KMS_UNAVAILABLE',
      'KMS_UNAVAILABLE',
      true,
      'KMS is down.',
      'Wait.',
    ]);
    expect(error.cause).toBe(cause);
    expect(error.next).toEqual({ kind: 'do', text: 'Wait.' });
    expect(Object.hasOwn(new RefreshError('KMS_UNAVAILABLE', 'x', 'y'), 'cause')).toBe(false);
  });

  it('is worth a retry where it may pass by itself, and there alone', () => {
    const retryable = Object.entries(ERROR_CODES).flatMap(([code, of]) => (of.retryable ? [code] : []));
    expect(retryable).toEqual([
      'SALESFORCE_UNAVAILABLE',
      'SALESFORCE_REPLY_UNREADABLE',
      'APPFLOW_UNAVAILABLE',
      'SECRETS_UNAVAILABLE',
      'KMS_UNAVAILABLE',
      'TOKEN_NOT_PERSISTED',
      'OUT_OF_TIME',
    ]);
  });

  it('says during what the deadline came', () => {
    const cause = new Error('aborted');
    const error = outOfTime('a call of KMS', cause);
    expect(error).toMatchObject({
      code: 'OUT_OF_TIME',
      message: "The function's deadline came during a call of KMS.",
      hint: 'Nothing to do unless it goes on: the next attempt comes by itself. If it does, look for a slow neighbour or raise the timeout.',
    });
    expect(error.cause).toBe(cause);
  });

  it('is the same where its request got no answer, but for its class', () => {
    const error = new CredentialsRefused('refused', 'None.', new TypeError('x'));
    const same = Unanswered.of(error);
    expect([same instanceof Unanswered, same instanceof CredentialsRefused]).toEqual([true, false]);
    expect([same.code, same.message, same.next, same.cause]).toEqual([
      'PROFILE_REJECTED',
      'refused',
      error.next,
      error.cause,
    ]);
  });

  it('is told apart from a bug, which goes on', async () => {
    const error = outOfTime('x');
    const bug = new TypeError('x');
    await expect(orRefreshError(() => 1)).resolves.toBe(1);
    await expect(orRefreshError(() => Promise.reject(error))).resolves.toBe(error);
    await expect(
      orRefreshError(() => {
        throw bug;
      }),
    ).rejects.toBe(bug);
  });

  it('is reported with code, message and hint alone', () => {
    const error = new RefreshError('KMS_UNAVAILABLE', 'KMS is down.', 'Wait.', new TypeError('x'));
    const said = { code: 'KMS_UNAVAILABLE', retryable: true, message: 'KMS is down.', hint: 'Wait.' };
    expect(shown(error)).toEqual(said);
    expect(failed({ connection: 'c', connectorProfileName: 'p' }, error)).toEqual({
      report: { connection: 'c', connectorProfileName: 'p', outcome: 'failed', error: said },
      error,
    });
  });
});

describe('the names of an error and of its causes', () => {
  it('are at most five, outermost first', () => {
    const chain = (names: string[]): Error | undefined => {
      const [name, ...rest] = names;
      if (name === undefined) return undefined;
      return Object.assign(new Error('secret', { cause: chain(rest) }), { name });
    };
    expect(errorNames(chain(['A', 'B']))).toEqual(['A', 'B']);
    expect(errorNames(chain(['A', 'B', 'C', 'D', 'E', 'F']))).toEqual(['A', 'B', 'C', 'D', 'E']);
  });

  it('are none of what is no error', () => {
    expect(errorNames('secret')).toEqual([]);
    expect(errorNames(undefined)).toEqual([]);
  });
});

describe('a hint', () => {
  it.each<[Hint, string]>([
    [{ kind: 'do', text: 'Do it.' }, 'Do it.'],
    [{ kind: 'wait' }, 'Nothing to do unless it goes on: the next attempt comes by itself.'],
    [
      { kind: 'wait', ifItDoes: 'Look there.' },
      'Nothing to do unless it goes on: the next attempt comes by itself. Look there.',
    ],
    [
      { kind: 'allow', what: 'kms:Sign on K', also: 'and in the key policy' },
      'Allow kms:Sign on K in the role of this function, and in the key policy.',
    ],
    [{ kind: 'environment' }, 'Correct the environment of the function: in serverless.yml, and deploy again.'],
  ])('speaks to those who look after deployed functions: %j', (hint, said) => {
    expect(hintForLog(hint)).toBe(said);
  });

  it('is made of the sentences that there are', () => {
    expect(sentences('One.', undefined, 'Two.')).toBe('One. Two.');
  });
});

describe('what is shown of a bug', () => {
  const stack = (head: string, ...frames: string[]) => [head, ...frames].join('\n');
  const bug = (name: string, message: string, text: string) => Object.assign(new Error(message), { name, stack: text });
  const frames = Array.from({ length: 9 }, (_, n) => `    at call${n} (file.js:${n}:1)`);

  it('is its name and its first eight places, and never its message', () => {
    expect(bugIn(bug('TypeError', 'zQ7', stack('TypeError: zQ7', ...frames)))).toEqual({
      name: 'TypeError',
      place: frames.slice(0, 8).map((frame) => frame.trim()),
    });
    expect(bugIn(bug('Error', '', stack('Error', ...frames.slice(0, 1))))).toEqual({
      name: 'Error',
      place: ['at call0 (file.js:0:1)'],
    });
    expect(bugIn(bug('Error', 'x', stack('Error [ERR_X]: x', ...frames.slice(0, 1)))).place).toHaveLength(1);
    expect(bugIn(new TypeError('x')).place[0]).toMatch(/^at /);
  });

  it('holds no line of a message that looks like a place', () => {
    const message = 'one\n    at zQ7 (file.js:1:1)';
    const { place } = bugIn(bug('Error', message, stack(`Error: ${message}`, frames[0] ?? '', '  zQ7 at x', 'zQ7')));
    expect(place).toEqual(['at call0 (file.js:0:1)']);
  });

  it('has no place where the stack does not begin with the message', () => {
    const changed = bug('Error', 'short', stack('Error: another\n    at zQ7 (x)', ...frames));
    expect(bugIn(changed)).toEqual({ name: 'Error', place: [] });
    expect(bugIn(bug('Error', 'x', stack('Error: xzQ7', ...frames))).place).toEqual([]);
    expect(bugIn(bug('Error', 'x', stack('Error: yx', ...frames))).place).toEqual([]);
    expect(bugIn(bug('Error', 'x', stack('two words: x', ...frames))).place).toEqual([]);
    expect(bugIn(bug('Error', 'x', 'x')).place).toEqual([]);
    const without = new Error('x');
    delete without.stack;
    expect(bugIn(without).place).toEqual([]);
  });

  it('is nothing of what is no error', () => {
    for (const thrown of ['zQ7', undefined, { name: 'zQ7' }])
      expect(bugIn(thrown)).toEqual({ name: 'NotAnError', place: [] });
  });
});
