import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Dates, dueSince, isOverdue, nextSlotAfter, slotOf } from '../../functions/core/schedule.ts';

const DAY = 86_400;
const START = Date.parse('2026-11-24T09:00:00.000Z');
const at = (seconds: number) => new Date(START + seconds * 1000);

/** Dates of a connection that is due since `at(0)`: its secret changed then. */
function dueAtStart(intervalSeconds: number): Dates {
  return { secretChangedAt: at(0), profileCreatedAt: at(-9 * DAY), profileUpdatedAt: at(-DAY), intervalSeconds };
}

/** The contract's slots, walked one by one: seconds after the moment of being due, up to and including the first one after `seconds`. */
function slotsPast(seconds: number, tick: number, intervalSeconds: number): number[] {
  const cap = Math.min(intervalSeconds, DAY);
  const slots = [0];
  let ticks = 1;
  let slot = 0;
  while (slot <= seconds) {
    slot += Math.min(ticks * tick, cap);
    ticks *= 2;
    slots.push(slot);
  }
  return slots;
}

const tickSeconds = fc.oneof(fc.constantFrom(1, 60, 300, 3_600, DAY), fc.integer({ min: 1, max: DAY }));
const intervals = fc.oneof(
  fc.constantFrom(1, 299, 300, 301, 900, 3_600, DAY, DAY + 1),
  fc.integer({ min: 1, max: 3 * DAY }),
);
/** Ages in seconds, few enough slots to walk through. */
const walk = fc.tuple(tickSeconds, intervals).chain(([tick, interval]) =>
  fc.record({
    tick: fc.constant(tick),
    interval: fc.constant(interval),
    age: fc.integer({ min: -interval, max: 300 * Math.min(interval, DAY) }),
  }),
);

describe('the moment at which a connection becomes due', () => {
  const dates = {
    secretChangedAt: at(-900),
    profileCreatedAt: at(-1_000),
    profileUpdatedAt: at(-100),
    intervalSeconds: 3_600,
  };

  it('is one interval after the last update', () => {
    expect(dueSince(dates)).toEqual(at(3_500));
  });

  it('is the creation of a profile that was never updated', () => {
    expect(dueSince({ ...dates, profileCreatedAt: at(-100), profileUpdatedAt: at(-100) })).toEqual(at(-100));
  });

  it('is the change of the secret when that is later than the last update', () => {
    expect(dueSince({ ...dates, secretChangedAt: at(-99) })).toEqual(at(-99));
    expect(dueSince({ ...dates, secretChangedAt: at(-221) })).toEqual(at(3_500));
  });

  it('is the change of the secret also where the profile was updated less than two minutes after it: that refresh had read the secret before', () => {
    expect(dueSince({ ...dates, secretChangedAt: at(-100) })).toEqual(at(-100));
    expect(dueSince({ ...dates, secretChangedAt: at(-219) })).toEqual(at(-219));
    expect(dueSince({ ...dates, secretChangedAt: at(-220) })).toEqual(at(3_500));
  });

  it('is the later of creation and change of the secret when the profile was never updated', () => {
    const created = { ...dates, profileCreatedAt: at(-300), profileUpdatedAt: at(-300) };
    expect(dueSince({ ...created, secretChangedAt: at(-50) })).toEqual(at(-50));
    expect(dueSince({ ...created, secretChangedAt: at(-421) })).toEqual(at(-300));
  });
});

describe('the slots of a failing connection', () => {
  const attempts = (intervalSeconds: number, tick: number, ticks: number, offset = 0) =>
    Array.from({ length: ticks }, (_, n) => n).filter(
      (n) => slotOf(dueAtStart(intervalSeconds), at(n * tick + offset), tick) !== undefined,
    );

  it('lie 0, 1, 3, 7, 15, 31 and 63 ticks after it became due while the interval is longer', () => {
    expect(attempts(DAY, 300, 128)).toEqual([0, 1, 3, 7, 15, 31, 63, 127]);
  });

  it('keep their distances when the ticks miss the moment it became due', () => {
    expect(attempts(DAY, 300, 70, 17)).toEqual([0, 1, 3, 7, 15, 31, 63]);
    expect(slotOf(dueAtStart(DAY), at(3 * 300 + 17), 300)).toEqual(at(900));
  });

  it('are at most one interval apart', () => {
    expect(attempts(1_500, 300, 30)).toEqual([0, 1, 3, 7, 12, 17, 22, 27]);
  });

  it('are at most one day apart, however long the interval', () => {
    expect(attempts(30 * DAY, 3_600, 130)).toEqual([0, 1, 3, 7, 15, 31, 55, 79, 103, 127]);
  });

  it('fall into every tick when the interval is no longer than a tick', () => {
    expect(attempts(300, 300, 5)).toEqual([0, 1, 2, 3, 4]);
    expect(attempts(100, 300, 5)).toEqual([0, 1, 2, 3, 4]);
  });

  it('belong only to the first tick at or after them', () => {
    const dates = dueAtStart(DAY);
    expect(slotOf(dates, at(-1), 300)).toBeUndefined();
    expect(slotOf(dates, at(0), 300)).toEqual(at(0));
    expect(slotOf(dates, at(299), 300)).toEqual(at(0));
    expect(slotOf(dates, at(300), 300)).toEqual(at(300));
    expect(slotOf(dates, at(599), 300)).toEqual(at(300));
    expect(slotOf(dates, at(600), 300)).toBeUndefined();
  });
});

describe('the slot of a tick and the next slot', () => {
  it('match a walk from slot to slot for any tick, interval and age', () => {
    fc.assert(
      fc.property(walk, ({ tick, interval, age }) => {
        const slots = slotsPast(age, tick, interval);
        const inWindow = slots.filter((slot) => slot > age - tick && slot <= age).at(-1);
        expect(slotOf(dueAtStart(interval), at(age), tick)).toEqual(inWindow === undefined ? undefined : at(inWindow));
        const next = slots.find((slot) => slot > age) ?? 0;
        expect(nextSlotAfter(dueAtStart(interval), at(age), tick)).toEqual(at(next));
      }),
      { numRuns: 3_000 },
    );
  });

  it('agree that the next attempt comes exactly at the next slot', () => {
    fc.assert(
      fc.property(walk, fc.double({ min: 0, max: 1, noNaN: true }), ({ tick, interval, age }, part) => {
        const dates = dueAtStart(interval);
        const next = nextSlotAfter(dates, at(age), tick);
        expect(next.getTime()).toBeGreaterThan(at(age).getTime());
        expect(slotOf(dates, next, tick)).toEqual(next);
        const between = new Date(at(age).getTime() + Math.floor((next.getTime() - at(age).getTime() - 1) * part));
        const slot = slotOf(dates, between, tick);
        if (slot !== undefined) expect(slot.getTime()).toBeLessThanOrEqual(at(age).getTime());
        expect(nextSlotAfter(dates, between, tick)).toEqual(next);
      }),
      { numRuns: 2_000 },
    );
  });

  it('are found as fast after ten years as after a minute', () => {
    const dates = dueAtStart(1);
    // A walk from slot to slot would take minutes.
    for (let n = 0; n < 100; n++) {
      expect(slotOf(dates, at(3_650 * DAY + n), 1)).toEqual(at(3_650 * DAY + n));
      expect(nextSlotAfter(dates, at(3_650 * DAY + n), 1)).toEqual(at(3_650 * DAY + n + 1));
    }
  });
});

/** What became of one tick of the schedule, and of the attempt if it makes one. Seconds. */
interface Tick {
  readonly fate: 'on time' | 'missing' | 'doubled' | 'late';
  /** For a late one: how many other ticks run before it. */
  readonly behind: number;
  readonly succeeds: boolean;
  /** From the tick to the profile's update. */
  readonly delay: number;
  readonly secretChanges: boolean;
}

interface Attempt {
  readonly scheduled: number;
  readonly slot: number;
  readonly since: number;
  readonly succeeded: boolean;
}

/** Runs a history as EventBridge, the FIFO queue (which drops a second message with the same slot) and `refresh` would. */
function play(history: readonly Tick[], tick: number, interval: number, phase: number) {
  const order = history
    .map((one, n) => ({ ...one, n, turn: one.fate === 'late' ? n + one.behind + 0.5 : n }))
    .filter(({ fate }) => fate !== 'missing')
    .flatMap((one) => (one.fate === 'doubled' ? [one, one] : [one]))
    .sort((a, b) => a.turn - b.turn);
  let updated = -2 * interval;
  // Longer ago than a refresh can be under way.
  let changed = -2 * interval - 121;
  const refusedBefore = new Set<string>();
  const attempts: Attempt[] = [];
  const sinceAt = new Map<number, number>();
  for (const { n, turn, succeeds, delay, secretChanges } of order) {
    const scheduled = phase + n * tick;
    const now = phase + Math.ceil(turn) * tick;
    if (secretChanges) changed = Math.max(changed, now - Math.floor(tick / 2));
    const dates = {
      secretChangedAt: at(changed),
      profileCreatedAt: at(-9 * interval),
      profileUpdatedAt: at(updated),
      intervalSeconds: interval,
    };
    const since = (dueSince(dates).getTime() - START) / 1000;
    sinceAt.set(n, since);
    const slot = slotOf(dates, at(scheduled), tick);
    if (slot === undefined || refusedBefore.has(slot.toISOString())) continue;
    refusedBefore.add(slot.toISOString());
    attempts.push({ scheduled, slot: (slot.getTime() - START) / 1000, since, succeeded: succeeds });
    if (succeeds) updated = Math.max(updated, now + delay);
  }
  return { attempts, sinceAt };
}

const oneTick = (succeeds: fc.Arbitrary<boolean>, changes: fc.Arbitrary<boolean>): fc.Arbitrary<Tick> =>
  fc.record({
    fate: fc.oneof(
      { weight: 6, arbitrary: fc.constant('on time' as const) },
      { weight: 2, arbitrary: fc.constantFrom('missing' as const, 'doubled' as const, 'late' as const) },
    ),
    behind: fc.integer({ min: 1, max: 5 }),
    succeeds,
    delay: fc.nat({ max: 40 }),
    secretChanges: changes,
  });
const histories = (succeeds: fc.Arbitrary<boolean>, changes: fc.Arbitrary<boolean> = fc.constant(false)) =>
  fc.record({
    history: fc.array(oneTick(succeeds, changes), { minLength: 1, maxLength: 120 }),
    tick: fc.constantFrom(60, 300, 900),
    interval: fc.oneof(fc.constantFrom(60, 900, 1_800, 3_600, 5_000), fc.integer({ min: 30, max: 20_000 })),
    phase: fc.nat({ max: 900 }),
  });
const rarely = fc.integer({ min: 0, max: 19 }).map((n) => n === 0);

describe('over any history of late, missing and doubled ticks', () => {
  it('each tick tries at most once and each slot is tried by at most one tick', () => {
    fc.assert(
      fc.property(histories(fc.boolean(), rarely), ({ history, tick, interval, phase }) => {
        const { attempts } = play(history, tick, interval, phase);
        const ticks = attempts.map(({ scheduled }) => scheduled);
        expect(new Set(ticks).size).toBe(ticks.length);
        for (const { scheduled, slot } of attempts) {
          expect(slot).toBeGreaterThan(scheduled - tick);
          expect(slot).toBeLessThanOrEqual(scheduled);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('a failing connection is tried at least once per interval or day, rounded up to a tick', () => {
    fc.assert(
      fc.property(histories(fc.constant(false)), ({ history, tick, interval, phase }) => {
        const { attempts } = play(history, tick, interval, phase);
        const tried = new Set(attempts.map(({ scheduled }) => scheduled));
        const longest = Math.ceil(Math.min(interval, DAY) / tick);
        let came = 0;
        history.forEach(({ fate }, n) => {
          came = fate === 'missing' ? 0 : came + 1;
          if (came < longest) return;
          const window = Array.from({ length: longest }, (_, k) => phase + (n - k) * tick);
          // The connection is due all the time: since an interval before the first tick.
          expect(window.some((scheduled) => tried.has(scheduled))).toBe(true);
        });
      }),
      { numRuns: 1_000 },
    );
  });

  it('consecutive attempts on time are at most an interval or a day apart, rounded up to a tick', () => {
    fc.assert(
      fc.property(
        fc.record({
          tick: tickSeconds,
          interval: intervals,
          phase: fc.nat({ max: DAY }),
          ticks: fc.integer({ min: 2, max: 400 }),
        }),
        ({ tick, interval, phase, ticks }) => {
          const longest = Math.ceil(Math.min(interval, DAY) / tick) * tick;
          let last: number | undefined;
          for (let scheduled = phase % tick; scheduled <= ticks * tick; scheduled += tick) {
            if (slotOf(dueAtStart(interval), at(scheduled), tick) === undefined) {
              expect(scheduled - (last ?? 0)).toBeLessThanOrEqual(longest);
            } else {
              expect(scheduled - (last ?? scheduled)).toBeLessThanOrEqual(longest);
              last = scheduled;
            }
          }
          expect(last).toBeDefined();
        },
      ),
      { numRuns: 400 },
    );
  });

  it('a refreshed connection is quiet for its interval and then tried by the very next tick', () => {
    fc.assert(
      fc.property(histories(fc.constant(true)), ({ history, tick, interval, phase }) => {
        const { attempts } = play(history, tick, interval, phase);
        const tried = new Set(attempts.map(({ scheduled }) => scheduled));
        attempts.slice(1).forEach(({ scheduled, since }, n) => {
          const before = attempts[n]?.scheduled ?? Number.NaN;
          expect(since).toBeGreaterThanOrEqual(before + interval);
          expect(scheduled).toBeGreaterThanOrEqual(before + interval);
        });
        for (const { since } of attempts) {
          const n = Math.ceil((since - phase) / tick);
          if (history[n]?.fate === 'on time' && since >= phase) expect(tried).toContain(phase + n * tick);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('a changed secret makes the connection due at the first tick after the change', () => {
    fc.assert(
      fc.property(
        fc.record({
          tick: tickSeconds,
          interval: intervals,
          fresh: fc.integer({ min: 1, max: DAY }),
          wait: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        }),
        ({ tick, interval, fresh, wait }) => {
          const dates = {
            secretChangedAt: at(0),
            profileCreatedAt: at(-9 * DAY),
            profileUpdatedAt: at(-fresh),
            intervalSeconds: interval,
          };
          expect(dueSince(dates)).toEqual(at(0));
          const firstTick = new Date(START + Math.floor(wait * tick * 1000));
          const slot = slotOf(dates, firstTick, tick);
          expect(slot).toBeDefined();
          expect((slot?.getTime() ?? 0) >= START).toBe(true);
          expect(slotOf(dates, at(-1), tick)).toBeUndefined();
        },
      ),
    );
  });

  it('a secret changed during the backoff restarts the backoff', () => {
    const failing = {
      secretChangedAt: at(-DAY),
      profileCreatedAt: at(-9 * DAY),
      profileUpdatedAt: at(-3_600),
      intervalSeconds: 3_600,
    };
    const tries = (dates: Dates) =>
      Array.from({ length: 12 }, (_, n) => n).filter((n) => slotOf(dates, at(n * 300), 300) !== undefined);
    expect(tries(failing)).toEqual([0, 1, 3, 7]);
    expect(tries({ ...failing, secretChangedAt: at(1_000) })).toEqual([4, 5, 7, 11]);
  });
});

describe('a connection that is due', () => {
  it.each([
    ['three ticks', 1_800, 900],
    ['a quarter of its interval', 7_200, 1_800],
  ])('is overdue after %s, whichever is longer', (_, interval, patience) => {
    expect(isOverdue(patience, interval, 300)).toBe(false);
    expect(isOverdue(patience + 1, interval, 300)).toBe(true);
  });
});
