import { has, type Lane } from './budgets.ts';
import { isChange, isWait, type Op } from './calls.ts';
import { arrivesUntil, type RunState, type State, type Underway } from './state.ts';

/** Each request to AWS and to Salesforce is given up after ten seconds. */
export const GIVEN_UP = 10_000;
export const SLOW = 9_000;
export const PAUSE = 200_000;
/** What is left of the last lease after a pause to its brink. */
export const BRINK = 1_000;

/** What can happen next. */
export type Act =
  /** The call is applied and answered; a wait is over. */
  | 'go'
  /** The call is answered by an error. */
  | 'refuse'
  /** AppFlow tries the credentials in vain. */
  | 'reject'
  /** The call is applied; its answer is lost. */
  | 'lose'
  /** The run gives the call up; it may arrive later. */
  | 'late'
  /** The call is applied, and its run dies before the answer. */
  | 'die'
  /** The run dies; the call may arrive later. */
  | 'die-late'
  /** The call is applied, and its answer takes nine seconds. */
  | 'slow-answer'
  /** The call is applied, and its run is paused before it sees the answer. */
  | 'pause-answer'
  /** The call was applied, but its answer comes when its run has given it up. */
  | 'miss'
  /** The call has taken too long, and its run gives it up. */
  | 'give-up'
  /** An invocation begins, by a clock that is ahead or behind. */
  | 'start-ahead'
  | 'start-behind'
  /** Nine seconds pass. */
  | 'slow'
  /** All runs are paused for longer than a lease holds. */
  | 'pause'
  /** All runs are paused until just before the last lease runs out. */
  | 'brink'
  /** A person stores a new seed. */
  | 'seed'
  /** A late request arrives. */
  | 'arrive'
  /** No run is left, and no request arrives any more. */
  | 'quiet';

export interface Choice {
  readonly act: Act;
  /** Its index; -1 where the choice is about none. */
  readonly run: number;
  /** The operation of the call, where the choice is about one. */
  readonly op: Op | undefined;
}

/** What a choice takes from the bounds. */
export const COST: Readonly<Partial<Record<Act, readonly Lane[]>>> = {
  refuse: ['faults'],
  reject: ['faults'],
  lose: ['faults'],
  late: ['lates'],
  die: ['crashes'],
  'die-late': ['crashes', 'lates'],
  'slow-answer': ['slows'],
  'pause-answer': ['pauses'],
  'start-ahead': ['clocks'],
  'start-behind': ['clocks'],
  slow: ['slows'],
  pause: ['pauses'],
  brink: ['pauses'],
  seed: ['seeds'],
};

/** All that can happen next, what goes well first. */
export function choicesIn(state: State): Choice[] {
  const { runs, late, left, last } = state;
  const calm: Choice[] = [];
  const faults: Choice[] = [];
  let isLive = false;
  let isUnderway = false;
  const lastGoesOn = last >= 0 && canGoOn(runs[last]);
  for (const [index, run] of runs.entries()) {
    if (run.status !== 'live') continue;
    isLive = true;
    if (!run.underway.every(({ request }) => isWait(request.call.op))) isUnderway = true;
    // Leaving a run that could go on is what the bound on switches is about.
    if (lastGoesOn && index !== last && !has(left, 'switches')) continue;
    const others = runs.some((other, at) => at !== index && canGoOn(other));
    for (const one of run.underway) ofCall(state, index, one, others, calm, faults);
  }
  for (const { run, call } of late) calm.push({ act: 'arrive', run, op: call.op });
  if (!isLive) {
    calm.push({ act: 'quiet', run: -1, op: undefined });
    return calm;
  }
  const none = { run: -1, op: undefined };
  if (isUnderway && has(left, 'slows') && slowUntil(state) > state.world.time) faults.push({ act: 'slow', ...none });
  if (has(left, 'pauses')) {
    const { lease, time } = state.world;
    if (isUnderway) faults.push({ act: 'pause', ...none });
    if (lease !== undefined && !lease.isReleased && lease.until - BRINK > time) faults.push({ act: 'brink', ...none });
  }
  if (has(left, 'seeds')) faults.push({ act: 'seed', ...none });
  return [...calm, ...faults];
}

/** The time after something slow: nine seconds later, or when the first timer rings, or when the first call would be given up. */
export function slowUntil({ world, runs }: State): number {
  let until = world.time + SLOW;
  for (const { underway } of runs)
    for (const { request, sentAt } of underway) {
      const { call } = request;
      if (call.op === 'timer') until = Math.min(until, sentAt + call.milliseconds);
      else if (isChange(call.op)) until = Math.min(until, Math.max(sentAt + GIVEN_UP, world.time));
    }
  return until;
}

function wakeTime({ request, sentAt }: Underway): number {
  return request.call.op === 'sleep' ? sentAt + request.call.milliseconds : Number.POSITIVE_INFINITY;
}

function wakesFirst({ runs }: State, time: number): boolean {
  return runs.every(({ underway }) => underway.every((one) => wakeTime(one) >= time));
}

/** Whether a run is under way at something that is no wait. */
export function canGoOn(run: RunState | undefined): boolean {
  return run?.status === 'live' && run.underway.some(({ request }) => !isWait(request.call.op));
}

function ofCall(
  state: State,
  index: number,
  { request, sentAt, answer }: Underway,
  othersGoOn: boolean,
  calm: Choice[],
  faults: Choice[],
): void {
  const { world, core, runs, left } = state;
  const { op } = request.call;
  const of = { run: index, op };
  const run = runs[index];
  if (run === undefined) return;
  if (op === 'timer') {
    if (request.call.op === 'timer' && world.time >= sentAt + request.call.milliseconds)
      calm.push({ act: 'go', ...of });
    return;
  }
  if (op === 'sleep') {
    // Time that passes while the calls of others are under way makes them slow.
    if (!othersGoOn) {
      if (wakesFirst(state, wakeTime({ request, sentAt, answer }))) calm.push({ act: 'go', ...of });
    } else if (has(left, 'slows')) faults.push({ act: 'go', ...of });
    return;
  }
  if (op === 'start') {
    calm.push({ act: 'go', ...of });
    if (has(left, 'clocks')) faults.push({ act: 'start-ahead', ...of }, { act: 'start-behind', ...of });
    return;
  }
  if (!isChange(op)) {
    calm.push({ act: 'go', ...of });
    if (has(left, 'faults')) faults.push({ act: 'refuse', ...of });
    return;
  }
  const isTooLate = world.time > sentAt + GIVEN_UP;
  if (answer !== undefined) {
    calm.push({ act: 'go', ...of });
    if (isTooLate) calm.push({ act: 'miss', ...of });
    else if (has(left, 'faults')) faults.push({ act: 'lose', ...of });
    return;
  }
  if (isTooLate) {
    calm.push({ act: 'give-up', ...of });
    return;
  }
  calm.push({ act: 'go', ...of });
  if (has(left, 'faults')) {
    faults.push({ act: 'lose', ...of }, { act: 'refuse', ...of });
    if (op === 'handOver') faults.push({ act: 'reject', ...of });
  }
  const mayArrive = world.time <= arrivesUntil(run, request, core);
  if (has(left, 'lates') && mayArrive) faults.push({ act: 'late', ...of });
  if (has(left, 'crashes')) {
    faults.push({ act: 'die', ...of });
    if (has(left, 'lates') && mayArrive) faults.push({ act: 'die-late', ...of });
  }
  if (has(left, 'slows') && slowUntil(state) > state.world.time) faults.push({ act: 'slow-answer', ...of });
  if (has(left, 'pauses')) faults.push({ act: 'pause-answer', ...of });
}
