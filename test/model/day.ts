import { choicesIn } from './choices.ts';
import type { Core } from './core.ts';
import { BASE, INTERVAL, type Kind } from './programs.ts';
import { newRun, type State } from './state.ts';
import { after, NOT_COUNTED } from './steps.ts';
import { newWorld, withFamily } from './world.ts';

/** What is wrong all day. */
export interface Day {
  readonly rotates: boolean;
  /** The token is dead; or Salesforce answers nothing but 503. */
  readonly trouble: 'dead token' | 'Salesforce down';
  /** Whether a flow fails every five minutes and is healed each time. */
  readonly heals: boolean;
}

export const DAYS: readonly Day[] = [true, false].flatMap((rotates) =>
  (['dead token', 'Salesforce down'] as const).flatMap((trouble) =>
    [false, true].map((heals) => ({ rotates, trouble, heals })),
  ),
);

const TICK = 300_000;
const DAY = 86_400_000;
/** How often the queue gives a message out again before it goes to the dead-letter queue. */
const RETRIES = 3;
/** The most versions that may be made in a day without a person: a secret holds about 100. */
export const MOST_VERSIONS = 90;

/** @returns how many versions a day of retries makes, by the schedule's own slots */
export async function versionsOf({ rotates, trouble, heals }: Day, core: Core): Promise<number> {
  const fresh = newWorld({ rotates });
  const world = trouble === 'dead token' ? withFamily(fresh, 0, { isAlive: false, isLost: true }) : fresh;
  let state: State = {
    core,
    world,
    runs: [],
    late: [],
    wakes: false,
    left: 0,
    last: NOT_COUNTED,
    violation: undefined,
  };
  for (let time = 0; time < DAY; time += TICK) {
    state = { ...state, world: { ...state.world, time } };
    const { seedChangedAt, profileCreatedAt, profile } = state.world;
    const dates = {
      secretChangedAt: new Date(BASE + seedChangedAt),
      profileCreatedAt: new Date(BASE + profileCreatedAt),
      profileUpdatedAt: new Date(BASE + profile.updatedAt),
      intervalSeconds: INTERVAL,
    };
    if (core.slotOf(dates, new Date(BASE + time), TICK / 1000) !== undefined) {
      state = await run(state, 'late-tick', trouble);
      // Only what may pass is tried again.
      for (let n = 0; n < RETRIES && trouble === 'Salesforce down'; n++) state = await run(state, 'retry', trouble);
    }
    if (heals) state = await run(state, 'late-tick', trouble);
  }
  return state.world.versions.length;
}

async function run(before: State, kind: Kind, trouble: Day['trouble']): Promise<State> {
  let state: State = { ...before, runs: [await newRun(kind, 'day', before.core, before.world.time)] };
  while (state.runs[0]?.status === 'live') {
    const [choice] = choicesIn(state);
    if (choice === undefined) throw new Error('A run waits for nothing.');
    const isRefused = trouble === 'Salesforce down' && choice.op === 'exchange';
    state = await after({ ...state, left: 0 }, isRefused ? { ...choice, act: 'refuse' } : choice);
    if (state.violation !== undefined) throw new Error(state.violation);
  }
  return state;
}
