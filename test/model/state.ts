import type { Call, Op, Request } from './calls.ts';
import type { Core } from './core.ts';
import { Histories, type History } from './histories.ts';
import { BASE, type Kind } from './programs.ts';
import { numberOf, type World, worldKey } from './world.ts';

/** A request that is under way. */
export interface Underway {
  readonly request: Request;
  readonly sentAt: number;
  /** The answer, where the request has been applied and its answer is on the way. */
  readonly answer: string | undefined;
}

export interface RunState {
  readonly name: string;
  readonly kind: Kind;
  readonly histories: Histories;
  readonly history: History;
  readonly status: 'live' | 'ended' | 'dead';
  /** Milliseconds that its clock is ahead of the servers'. */
  readonly offset: number;
  readonly underway: readonly Underway[];
  /** The refresh token that it was given last. */
  readonly received: string | undefined;
  /** The server time until which a lease of its invocation holds. */
  readonly until: number;
}

/** A request whose run has given it up or is dead, and which may still arrive. */
export interface Late {
  readonly run: number;
  readonly call: Call;
  readonly until: number;
}

export interface State {
  readonly core: Core;
  readonly world: World;
  readonly runs: readonly RunState[];
  readonly late: readonly Late[];
  /** Whether a run by hand that was paused wakes up, as on a laptop. Lambda ends the others. */
  readonly wakes: boolean;
  readonly left: number;
  /** The run that moved last, where switches are counted; else -1. */
  readonly last: number;
  readonly violation: string | undefined;
}

/** A run that has not begun. */
export async function newRun(kind: Kind, name: string, core: Core, at: number): Promise<RunState> {
  const histories = new Histories(kind, name, core);
  return restarted({ name, kind, histories }, at);
}

export async function restarted(
  { name, kind, histories }: Pick<RunState, 'name' | 'kind' | 'histories'>,
  at: number,
): Promise<RunState> {
  const history = await histories.start();
  const underway = history.requests.map((request) => ({ request, sentAt: at, answer: undefined }));
  return { name, kind, histories, history, status: 'live', offset: 0, underway, received: undefined, until: 0 };
}

export function clockOf(run: RunState, world: World): number {
  return BASE + world.time + run.offset;
}

/** The server time until which a request of this run may arrive. */
export function arrivesUntil(run: RunState, request: Request, { LATENESS }: Core): number {
  return request.deadline - BASE - run.offset + LATENESS;
}

export function underwayOf(run: RunState, op: Op): Underway {
  const found = run.underway.find(({ request }) => request.call.op === op);
  if (found === undefined) throw new Error(`${run.name} does not wait for ${op}.`);
  return found;
}

const keyOfLate = new WeakMap<Late, number>();

/** What tells two states apart but for what is left of the bounds. What became of a run that has ended has no bearing on what follows. */
export function stateKey({ world, runs, late, last }: State): string {
  let key = `${worldKey(world)}#${last}`;
  for (const { status, history, offset, underway } of runs) {
    if (status !== 'live') {
      key += ';';
      continue;
    }
    key += `;${history.id}.${offset}`;
    for (const { sentAt, answer } of underway) key += `,${sentAt}${answer === undefined ? '' : `a${numberOf(answer)}`}`;
  }
  if (late.length > 0) key += `#${late.map(lateKey).sort().join()}`;
  return key;
}

function lateKey(late: Late): number {
  let key = keyOfLate.get(late);
  if (key === undefined) {
    key = numberOf(`${late.run} ${late.until} ${JSON.stringify(late.call)}`);
    keyOfLate.set(late, key);
  }
  return key;
}
