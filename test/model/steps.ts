import { spent } from './budgets.ts';
import { isChange, type Op, ok, refusal, unavailable } from './calls.ts';
import { BRINK, type Choice, COST, canGoOn, PAUSE, slowUntil } from './choices.ts';
import { broken } from './invariants.ts';
import type { TokensAnswer } from './ports.ts';
import type { Sender } from './sender.ts';
import { applied } from './services.ts';
import { arrivesUntil, clockOf, type RunState, type State, type Underway, underwayOf } from './state.ts';
import { familyOf, partsOf, reseeded, type World } from './world.ts';

const AHEAD = 120_000;
/** While nobody else is at anything, a run that waits for a lease looks this often: what it would see in between is the same. */
const PATIENCE = 36_000;
const SHORTEST_PATIENCE = 1_400;

/** What follows from a choice. A promise only where the real code has to be executed for it. */
export function after(state: State, choice: Choice): State | Promise<State> {
  const next = moved(paid(state, choice), choice);
  return next instanceof Promise ? next.then(checked) : checked(next);
}

function checked(state: State): State {
  if (state.violation !== undefined) return state;
  const violation = broken(state);
  return violation === undefined ? state : { ...state, violation };
}

function paid(state: State, { act, run, op }: Choice): State {
  let { left } = state;
  for (const lane of COST[act] ?? []) left = spent(left, lane);
  const { last, runs } = state;
  if (run < 0 || act === 'arrive') return { ...state, left };
  if (op === 'sleep' && runs.some((other, at) => at !== run && canGoOn(other))) left = spent(left, 'slows');
  if (last === NOT_COUNTED) return { ...state, left };
  if (last !== run && canGoOn(runs[last])) left = spent(left, 'switches');
  return { ...state, left, last: run };
}

/** `last` where switches are not counted. */
export const NOT_COUNTED = -2;

function moved(state: State, choice: Choice): State | Promise<State> {
  const { world } = state;
  switch (choice.act) {
    case 'slow':
      return passed(state, slowUntil(state));
    case 'pause':
      return pausedUntil(state, world.time + PAUSE);
    case 'brink':
      return pausedUntil(state, (world.lease?.until ?? world.time) - BRINK);
    case 'seed':
      return { ...state, world: reseeded(world) };
    case 'arrive':
      return arrived(state, choice);
    case 'quiet':
      return { ...state, late: [] };
    default:
      return called(state, choice, choice.op);
  }
}

function called(state: State, { act, run: index }: Choice, op: Op | undefined): State | Promise<State> {
  const { world, runs } = state;
  const run = runs[index];
  if (run === undefined || op === undefined) throw new Error('That choice is about no call.');
  const underway = underwayOf(run, op);
  switch (act) {
    case 'go': {
      if (op === 'sleep') return slept(state, index, run, underway);
      if (underway.answer !== undefined) return told(state, index, run, op, underway.answer);
      const { state: next, answer } = served(state, index, run, underway);
      return told(next, index, run, op, answer);
    }
    case 'start-ahead':
    case 'start-behind':
      return told(state, index, { ...run, offset: act === 'start-ahead' ? AHEAD : -AHEAD }, op, ok(true));
    case 'refuse':
      return told(state, index, run, op, refusal(unavailable(op)));
    case 'reject':
      return told(state, index, run, op, JSON.stringify({ error: 'PROFILE_REJECTED', isRejected: true }));
    case 'miss':
    case 'lose': {
      const next = underway.answer === undefined ? served(state, index, run, underway).state : state;
      return told(next, index, run, op, unanswered(op));
    }
    case 'late':
    case 'give-up':
      return told(withLate(state, index, run, underway), index, run, op, unanswered(op));
    case 'die':
      return withRun(served(state, index, run, underway).state, index, dead(run));
    case 'die-late':
      return withRun(withLate(state, index, run, underway), index, dead(run));
    case 'slow-answer':
    case 'pause-answer': {
      const { state: next, answer } = served(state, index, run, underway);
      const rest = run.underway.map((one) => (one === underway ? { ...one, answer } : one));
      const answered = withRun(next, index, { ...run, underway: rest });
      return act === 'pause-answer' ? pausedUntil(answered, world.time + PAUSE) : passed(answered, slowUntil(state));
    }
    default:
      throw new Error(`Nobody knows how to ${act}.`);
  }
}

function unanswered(op: Op): string {
  return JSON.stringify({ error: unavailable(op), isUnanswered: isChange(op) });
}

function served(state: State, index: number, run: RunState, { request }: Underway): { state: State; answer: string } {
  const sender = senderOf(state, index, arrivesUntil(run, request, state.core));
  const { world, answer, violation } = applied(state.world, request.call, sender);
  return { state: { ...state, world, violation: violation ?? state.violation }, answer };
}

function senderOf({ world, runs }: State, run: number, until: number): Sender {
  const isHeld = (token: string) =>
    runs.some((other) => other.status === 'live' && other.received === token && world.time <= other.until);
  return { run, until, isHeld };
}

function arrived(state: State, { run, op }: Choice): State {
  const found = state.late.find((late) => late.run === run && late.call.op === op);
  if (found === undefined) throw new Error(`No late ${op} is on its way.`);
  const { world, violation } = applied(state.world, found.call, senderOf(state, run, found.until));
  const late = state.late.filter((one) => one !== found);
  return { ...state, world, late, violation: violation ?? state.violation };
}

function withLate(state: State, index: number, run: RunState, { request }: Underway): State {
  const until = arrivesUntil(run, request, state.core);
  if (state.world.time > until) return state;
  return { ...state, late: [...state.late, { run: index, call: request.call, until }] };
}

function withRun(state: State, index: number, run: RunState): State {
  return { ...state, runs: state.runs.map((one, at) => (at === index ? run : one)) };
}

function dead(run: RunState): RunState {
  return { ...run, status: 'dead', underway: [], received: undefined };
}

/** Time moves; what can arrive no more is dropped. Lambda ends the runs whose time is up: with a token in memory alone that must not be. */
function passed(state: State, time: number): State {
  const ended = outOfTime(state, time).find((run) => hasUnsaved(run, state.world));
  const violation =
    ended === undefined ? state.violation : `Lambda ended ${ended.name} with a refresh token that was stored nowhere`;
  return { ...pausedUntil(state, time), violation };
}

/** The same after a pause, which no code could have foreseen. */
function pausedUntil(state: State, time: number): State {
  const over = outOfTime(state, time);
  const runs = over.length === 0 ? state.runs : state.runs.map((run) => (over.includes(run) ? dead(run) : run));
  return { ...state, world: { ...state.world, time }, runs, late: state.late.filter(({ until }) => until >= time) };
}

/** What the entry keeps back of Lambda's time-out. */
const RESERVE = 1_500;

function outOfTime({ runs, wakes, core }: State, time: number): RunState[] {
  const isOver = (run: RunState, { request }: Underway) =>
    request.call.op !== 'start' && time > arrivesUntil(run, request, core) - core.LATENESS + RESERVE;
  return runs.filter(
    (run) => run.status === 'live' && !(wakes && run.kind === 'hand') && run.underway.some((one) => isOver(run, one)),
  );
}

function hasUnsaved(run: RunState, world: World): boolean {
  const answer = run.underway.find(({ request }) => request.call.op === 'exchange')?.answer;
  const token = (answer === undefined ? undefined : refreshTokenIn(answer)) ?? run.received;
  if (token === undefined) return false;
  const { family, n } = partsOf(token);
  const { saved, isAlive } = familyOf(world, family);
  return isAlive && n > saved;
}

function slept(state: State, index: number, run: RunState, { request, sentAt }: Underway): State | Promise<State> {
  const asked = request.call.op === 'sleep' ? request.call.milliseconds : 0;
  const isAlone = state.runs.every(
    (other, at) => at === index || other.underway.every((one) => one.request.call.op === 'start'),
  );
  const milliseconds = isAlone && asked >= SHORTEST_PATIENCE && run.kind === 'rotate' ? PATIENCE : asked;
  const next = passed(state, Math.max(state.world.time, sentAt + milliseconds));
  return told(next, index, run, 'sleep', ok(true));
}

/** Gives a run the answer to one of its calls, and lets it go on until it waits again. */
function told(state: State, index: number, run: RunState, op: Op, answer: string): State | Promise<State> {
  const now = clockOf(run, state.world);
  const received = op === 'exchange' ? (refreshTokenIn(answer) ?? run.received) : run.received;
  const known = run.histories.known(run.history, op, now, answer);
  const led = (history: RunState['history']): State => {
    const { time } = state.world;
    const underway = history.requests.map(
      (request): Underway =>
        run.underway.find(
          (one) => one.request.serial === request.serial && one.request.call.op === request.call.op,
        ) ?? {
          request,
          sentAt: time,
          answer: undefined,
        },
    );
    const [first] = history.requests;
    const until = first === undefined || first.deadline === 0 ? run.until : arrivesUntil(run, first, state.core);
    const status = history.outcome === undefined ? 'live' : 'ended';
    const next: RunState = { ...run, history, underway, status, received, until };
    // A pause may have taken the lease from under it. Else a run goes on until a store or escrow has taken what it was given.
    const isDropped = status === 'ended' && !state.wakes && hasUnsaved(next, state.world);
    const violation = isDropped ? `${run.name} ended with a refresh token that was stored nowhere` : state.violation;
    return { ...withRun(state, index, next), violation };
  };
  return known === undefined ? run.histories.after(run.history, op, now, answer).then(led) : led(known);
}

function refreshTokenIn(answer: string): string | undefined {
  const parsed: { ok?: TokensAnswer } = JSON.parse(answer);
  return parsed.ok?.refresh;
}
