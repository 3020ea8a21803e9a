import type { ListedTarget } from './connection/target.ts';
import type { Profile } from './ports.ts';

const DAY_SECONDS = 86_400;

/** What decides whether a connection is due: three dates of AWS's and two durations. */
export interface Dates {
  /** The operator's secret's `LastChangedDate`: a person changed it then, since we never write to it. */
  readonly secretChangedAt: Date;
  readonly profileCreatedAt: Date;
  readonly profileUpdatedAt: Date;
  readonly intervalSeconds: number;
}

export function datesOf({ secretChangedAt, intervalSeconds }: ListedTarget, profile: Profile): Dates {
  return {
    secretChangedAt,
    profileCreatedAt: profile.createdAt,
    profileUpdatedAt: profile.updatedAt,
    intervalSeconds,
  };
}

/**
 * Milliseconds by which a profile's update must be later than a change of the secret to have taken it in: a refresh that was under way when the
 * change was made had read the secret before. A quick edit costs one refresh more.
 */
const UNDER_WAY_MS = 120_000;

/** The moment since which a connection wants a refresh; in the future where it is fresh. */
export function dueSince(dates: Dates): Date {
  if (dates.secretChangedAt.getTime() > dates.profileUpdatedAt.getTime() - UNDER_WAY_MS) return dates.secretChangedAt;
  if (dates.profileUpdatedAt <= dates.profileCreatedAt) return dates.profileCreatedAt;
  return new Date(dates.profileUpdatedAt.getTime() + dates.intervalSeconds * 1000);
}

/**
 * The slot of this tick: the moment in (scheduledTime − tick, scheduledTime] at which an attempt belongs, or `undefined`.
 *
 * The slots of a connection that stays due lie 0, 1, 3, 7, 15 … ticks after the moment it became due: an exponential backoff that
 * needs no counter, since it follows from dates alone. The gap never exceeds the shorter of an interval and a day. Where
 * the interval is shorter than a tick several slots lie in one window: the last is the answer, so that a tick tries once.
 */
export function slotOf(dates: Dates, scheduledTime: Date, tickSeconds: number): Date | undefined {
  const since = dueSince(dates).getTime();
  const age = scheduledTime.getTime() - since;
  if (age < 0) return undefined;
  const slot = lastSlotUpTo(age, tickSeconds * 1000, Math.min(dates.intervalSeconds, DAY_SECONDS) * 1000);
  return slot > age - tickSeconds * 1000 ? new Date(since + slot) : undefined;
}

/** The first slot after a moment at which the connection is due, for people who ask when the next attempt comes. */
export function nextSlotAfter(dates: Dates, moment: Date, tickSeconds: number): Date {
  const since = dueSince(dates).getTime();
  const age = moment.getTime() - since;
  if (age < 0) return new Date(since);
  const tick = tickSeconds * 1000;
  const cap = Math.min(dates.intervalSeconds, DAY_SECONDS) * 1000;
  const last = lastSlotUpTo(age, tick, cap);
  // While the gaps still double, the gap after the slot (2^k − 1) · tick is 2^k · tick, that is one tick more than the slot itself.
  return new Date(since + last + Math.min(last + tick, cap));
}

/** The largest of 0, tick, 3·tick, 7·tick … that is no larger than `age`; once a gap would exceed `cap`, gaps are `cap`. All in milliseconds. */
function lastSlotUpTo(age: number, tick: number, cap: number): number {
  let slot = 0;
  for (let gap = Math.min(tick, cap); slot + gap <= age; gap = Math.min(gap * 2, cap)) {
    if (gap === cap) return slot + Math.floor((age - slot) / cap) * cap;
    slot += gap;
  }
  return slot;
}

/** Seconds for which a connection may be due before an alarm stands: a quarter of its interval or three ticks, whichever is longer. */
function patienceSeconds(intervalSeconds: number, tickSeconds: number): number {
  return Math.max(intervalSeconds / 4, 3 * tickSeconds);
}

/** Whether a connection has been due for so long that an alarm stands. */
export function isOverdue(dueSeconds: number, intervalSeconds: number, tickSeconds: number): boolean {
  return dueSeconds > patienceSeconds(intervalSeconds, tickSeconds);
}

/** Which of a due period's attempts a tick makes. */
export interface Attempt {
  readonly isFirst: boolean;
  /** Whether it is the first one at or past the patience of the alarm. */
  readonly endsPatience: boolean;
}

/** `undefined` where no slot of the schedule lies in this tick: somebody else asked. */
export function attemptOf(dates: Dates, scheduledTime: Date, tickSeconds: number): Attempt | undefined {
  if (slotOf(dates, scheduledTime, tickSeconds) === undefined) return undefined;
  const tick = tickSeconds * 1000;
  const patience = patienceSeconds(dates.intervalSeconds, tickSeconds) * 1000;
  const age = scheduledTime.getTime() - dueSince(dates).getTime();
  const isFirst = age < tick;
  if (isFirst) return { isFirst, endsPatience: age >= patience };
  // The attempt before was made by the first tick at or after its slot.
  const slot = lastSlotUpTo(age - tick, tick, Math.min(dates.intervalSeconds, DAY_SECONDS) * 1000);
  const before = age - Math.floor((age - slot) / tick) * tick;
  return { isFirst, endsPatience: age >= patience && before < patience };
}
