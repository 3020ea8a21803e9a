import { type Choice, choicesIn } from './choices.ts';
import { BASE, INTERVAL } from './programs.ts';
import { newRun, type RunState, restarted, type State } from './state.ts';
import { after } from './steps.ts';
import { familyOf, issueOf, reseeded } from './world.ts';

/** Longer than any lease. */
const BEYOND = 400_000;

/** Told of each step of the quiet runs. */
export type Listener = (state: State, choice: Choice, next: State) => void;

/**
 * When all runs have ended and no request is on its way any more, the schedule alone must put everything right.
 *
 * @returns which promise is broken
 */
export async function settled(end: State, listen?: Listener): Promise<string | undefined> {
  const fail = (state: State, what: string) => state.violation ?? what;
  let state = at(end, end.world.time + BEYOND);
  // What is not due now stays as it is for an interval.
  if (dueAt(state) <= state.world.time) {
    state = await served(state, 'quiet-1', listen);
    if (lost(state)) return reauthorised(state, listen);
    if (outcome(state) !== 'refreshed') return fail(state, `the quiet run ended ${outcome(state)}`);
  }
  if (state.violation !== undefined) return state.violation;
  const { world } = state;
  if (!lost(state) && issueOf(world.profile.access).family !== world.seed)
    return 'the newest seed is not what AppFlow holds tokens of, and nothing is due';

  state = at(state, Math.max(world.time, dueAt(state)));
  state = await served(state, 'quiet-2', listen);
  if (lost(state)) return reauthorised(state, listen);
  if (
    state.violation === undefined &&
    outcome(state) === 'refreshed' &&
    issueOf(state.world.profile.access).n !== state.world.issued
  ) {
    // It found an access token that a run had stored and not handed over, and a newer one was lost on its way to us. The next run exchanges.
    state = await served(at(state, dueAt(state)), 'quiet-4', listen);
    if (lost(state)) return reauthorised(state, listen);
  }
  return state.violation ?? wrongAtLast(state, 'the run an interval later');
}

/** The window took the token: one act of a person must put everything right. */
async function reauthorised(before: State, listen: Listener | undefined): Promise<string | undefined> {
  if (before.violation !== undefined) return before.violation;
  const state = at({ ...before, world: reseeded(before.world) }, before.world.time + BEYOND);
  const done = await served(state, 'quiet-3', listen);
  return done.violation ?? wrongAtLast(done, 'the run after a person authorised again');
}

function wrongAtLast(state: State, who: string): string | undefined {
  const { world } = state;
  if (outcome(state) !== 'refreshed') return `${who} ended ${outcome(state)}`;
  const { n, family } = issueOf(world.profile.access);
  if (n !== world.issued || family !== world.seed) return `after ${who} AppFlow does not hold the newest access token`;
  if (world.escrow !== undefined) return `after ${who} escrow is not empty`;
  if (world.lease?.isReleased !== true) return `after ${who} a lease is left`;
  return undefined;
}

function at(state: State, time: number): State {
  return { ...state, late: [], world: { ...state.world, time } };
}

function dueAt({ core, world }: State): number {
  const { seedChangedAt, profileCreatedAt, profile } = world;
  const since = core.dueSince({
    secretChangedAt: new Date(BASE + seedChangedAt),
    profileCreatedAt: new Date(BASE + profileCreatedAt),
    profileUpdatedAt: new Date(BASE + profile.updatedAt),
    intervalSeconds: INTERVAL,
  });
  return since.getTime() - BASE;
}

function lost({ world }: State): boolean {
  return familyOf(world, world.seed).isLost;
}

function outcome(state: State): string {
  return String(state.runs[0]?.history.outcome);
}

/** The histories of quiet runs are shared by all orders of a core. */
const quietRuns = new WeakMap<object, Map<string, RunState>>();

async function quietRun(state: State, name: string): Promise<RunState> {
  let runs = quietRuns.get(state.core);
  if (runs === undefined) {
    runs = new Map();
    quietRuns.set(state.core, runs);
  }
  let run = runs.get(name);
  if (run === undefined) {
    run = await newRun('late-tick', name, state.core, state.world.time);
    runs.set(name, run);
  }
  return restarted(run, state.world.time);
}

/** One run of the queue, alone and without any fault. */
async function served(before: State, name: string, listen: Listener | undefined): Promise<State> {
  let state: State = { ...before, runs: [await quietRun(before, name)], left: 0, violation: undefined };
  while (state.runs[0]?.status === 'live') {
    const [choice] = choicesIn(state);
    if (choice === undefined) throw new Error(`${name} waits for nothing.`);
    const next = await after(state, choice);
    listen?.(state, choice, next);
    state = next;
    if (state.violation !== undefined) break;
  }
  return state;
}
