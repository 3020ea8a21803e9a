import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withRetries } from '../../functions/core/retry.ts';
import { fakeRun } from '../support/rules.ts';

const failure = new Error('not now');
const always = () => true;

/** An attempt that fails so many times, and counts. */
function failing(times: number) {
  let calls = 0;
  return {
    calls: () => calls,
    attempt: async () => {
      calls += 1;
      if (calls <= times) throw failure;
      return `answer ${calls}`;
    },
  };
}

describe('withRetries', () => {
  it('returns the first answer without waiting', async () => {
    const run = fakeRun();
    const { attempt, calls } = failing(0);
    await expect(withRetries(run, attempt, always)).resolves.toBe('answer 1');
    expect([calls(), run.waits]).toEqual([1, []]);
  });

  it('tries five times by default and throws the last error', async () => {
    const four = failing(4);
    await expect(withRetries(fakeRun(), four.attempt, always)).resolves.toBe('answer 5');
    const five = failing(5);
    await expect(withRetries(fakeRun(), five.attempt, always)).rejects.toBe(failure);
    expect(five.calls()).toBe(5);
    const one = failing(9);
    await expect(withRetries(fakeRun(), one.attempt, always, 1)).rejects.toBe(failure);
    expect(one.calls()).toBe(1);
  });

  it('gives up at once on an error that is not worth a retry', async () => {
    const run = fakeRun();
    const { attempt, calls } = failing(9);
    const asked: unknown[] = [];
    const never = (error: unknown) => {
      asked.push(error);
      return false;
    };
    await expect(withRetries(run, attempt, never)).rejects.toBe(failure);
    expect([calls(), asked, run.waits]).toEqual([1, [failure], []]);
  });

  it('waits with full jitter under a bound that doubles from 200 ms up to 5 s', async () => {
    const most = fakeRun({ random: () => 1, deadline: Number.MAX_SAFE_INTEGER });
    await expect(withRetries(most, failing(99).attempt, always, 9)).rejects.toBe(failure);
    expect(most.waits).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    const least = fakeRun({ random: () => 0, deadline: Number.MAX_SAFE_INTEGER });
    await expect(withRetries(least, failing(99).attempt, always, 4)).rejects.toBe(failure);
    expect(least.waits).toEqual([0, 0, 0]);
    const half = fakeRun({ random: () => 0.25, deadline: Number.MAX_SAFE_INTEGER });
    await expect(withRetries(half, failing(99).attempt, always, 3)).rejects.toBe(failure);
    expect(half.waits).toEqual([50, 100]);
  });

  // Binary fractions, so that sums are exact.
  const thousandths = fc.nat({ max: 1_023 }).map((n) => n / 1_024);

  it('gives up at once when the next wait would pass the deadline', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 20_000 }),
        fc.array(thousandths, { minLength: 9, maxLength: 9 }),
        async (left, randoms) => {
          const rest = [...randoms];
          const now = 1_000_000;
          const run = fakeRun({ now, deadline: now + left, random: () => rest.shift() ?? 0 });
          await expect(withRetries(run, failing(99).attempt, always, 8)).rejects.toBe(failure);
          const waited = run.waits.reduce((sum, wait) => sum + wait, 0);
          expect(run.now()).toBe(now + waited);
          if (run.waits.length > 0) expect(waited).toBeLessThan(left);
          const next = (randoms[run.waits.length] ?? 0) * Math.min(200 * 2 ** run.waits.length, 5_000);
          if (run.waits.length < 7) expect(waited + next).toBeGreaterThanOrEqual(left);
        },
      ),
    );
  });

  it('gives up where the wait would end at the deadline itself', async () => {
    const run = fakeRun({ now: 1_000_000, deadline: 1_000_100 });
    await expect(withRetries(run, failing(99).attempt, always)).rejects.toBe(failure);
    expect(run.waits).toEqual([]);
    const later = fakeRun({ now: 1_000_000, deadline: 1_000_101 });
    await expect(withRetries(later, failing(1).attempt, always)).resolves.toBe('answer 2');
    expect(later.waits).toEqual([100]);
  });

  it('stops trying once the run is aborted', async () => {
    const abort = new AbortController();
    const run = fakeRun({ signal: abort.signal });
    let calls = 0;
    const attempt = async () => {
      calls += 1;
      if (calls === 2) abort.abort();
      throw failure;
    };
    await expect(withRetries(run, attempt, always)).rejects.toBe(failure);
    expect([calls, run.waits.length]).toEqual([2, 1]);
  });

  it('starts nothing after the deadline when the machine slept for longer than it was asked to', async () => {
    const run = fakeRun({ now: 1_000_000, deadline: 1_060_000 });
    const { attempt, calls } = counted();
    const asleep = { ...run, now: () => 1_000_000 + run.waits.length * 60_000 };
    await expect(withRetries(asleep, attempt, always)).rejects.toBe(failure);
    expect([calls(), run.waits.length]).toEqual([1, 1]);
  });
});

function counted() {
  let calls = 0;
  const attempt = async () => {
    calls += 1;
    throw failure;
  };
  return { attempt, calls: () => calls };
}
