import type { Call } from './calls.ts';
import type { Choice } from './choices.ts';
import { replay } from './shrink.ts';
import type { State } from './state.ts';

/** An order as a person can follow it: one numbered line a step, and at last the promise that broke. */
export async function story(start: State, order: readonly Choice[]): Promise<string> {
  const lines: string[] = [];
  const { violation } = await replay(start, order, (state, choice, next) => {
    const seconds = `${Math.round(state.world.time / 100) / 10} s`.padStart(8);
    lines.push(`${String(lines.length + 1).padStart(4)}. ${seconds}  ${lineOf(state, choice, next)}`);
  });
  return [...lines, `      → ${violation ?? 'no promise is broken'}`].join('\n');
}

function lineOf(state: State, { act, run, op }: Choice, next: State): string {
  const who = state.runs[run]?.name ?? 'somebody';
  switch (act) {
    case 'slow':
      return `${Math.round((next.world.time - state.world.time) / 1000)} s pass while calls are under way`;
    case 'pause':
      return state.wakes ? 'all runs are paused for 200 s' : '200 s pass; Lambda has ended what had begun';
    case 'brink':
      return `time passes until just before the last lease runs out${state.wakes ? '' : '; Lambda has ended what took longer'}`;
    case 'seed':
      return `a person stores a new seed, r${next.world.seed}.0`;
    case 'arrive':
      return `late, ${who}'s request arrives: ${told(state.late.find((late) => late.run === run && late.call.op === op)?.call)}`;
    case 'quiet':
      return 'all is quiet: nothing arrives any more, leases run out, and the schedule goes on';
    default: {
      const call = state.runs[run]?.underway.find(({ request }) => request.call.op === op)?.request.call;
      return `${who} ${told(call)}: ${OUTCOMES[act] ?? act}${effect(state, run, call, next)}`;
    }
  }
}

const OUTCOMES: Readonly<Partial<Record<Choice['act'], string>>> = {
  go: 'done',
  refuse: 'refused',
  reject: 'AppFlow tries the credentials in vain',
  lose: 'applied, answer lost',
  miss: 'the answer comes when the run has given up',
  late: 'no answer; the request is still on its way',
  'give-up': 'no answer in time',
  die: 'applied; the run dies before it sees the answer',
  'die-late': 'the run dies; the request is still on its way',
  'slow-answer': 'applied; the answer takes nine seconds',
  'pause-answer': 'applied; 200 s pass before the answer is seen',
  'start-ahead': 'its clock is two minutes ahead',
  'start-behind': 'its clock is two minutes behind',
};

function effect(state: State, run: number, call: Call | undefined, next: State): string {
  const after = next.runs[run];
  const notes: string[] = [];
  if (call?.op === 'exchange' && after?.received !== state.runs[run]?.received)
    notes.push(`it gets ${after?.received}`);
  if (call?.op === 'put' && state.world === next.world) notes.push('nothing changes');
  if (after?.status === 'ended' && after.history.outcome !== undefined)
    notes.push(`the run ends: ${after.history.outcome}`);
  return notes.length === 0 ? '' : ` (${notes.join('; ')})`;
}

function told(call: Call | undefined): string {
  switch (call?.op) {
    case undefined:
      return 'does something';
    case 'start':
      return 'begins';
    case 'sleep':
      return `sleeps ${Math.round(call.milliseconds)} ms`;
    case 'timer':
      return 'is rung after 3 s';
    case 'values':
      return 'reads both secrets';
    case 'value':
      return "reads the operator's secret";
    case 'describe':
    case 'list':
      return "reads the operator's secret's tags";
    case 'profiles':
      return 'reads the profile';
    case 'handOver':
      return `hands ${call.access}${call.refresh === undefined ? '' : ` and ${call.refresh}`} over to AppFlow`;
    case 'exchange':
      return `sends ${call.token} to Salesforce`;
    case 'tryAccess':
      return `tries ${call.access}`;
    case 'current':
      return call.isOperators ? "reads the operator's secret" : 'reads AWSCURRENT';
    case 'version':
      return `reads version ${short(call.versionId)}`;
    case 'stages':
      return 'reads the labels';
    case 'youngVersions':
      return 'counts the young versions';
    case 'create':
      return `makes the token secret with version ${short(call.versionId)}`;
    case 'put':
      return call.stages?.includes('REFRESH_LEASE') === true
        ? `puts lease ${short(call.versionId)} (REFRESH_LEASE)`
        : `puts ${tokenIn(call.value)} as ${short(call.versionId)} (${call.stages?.join(', ') ?? 'AWSCURRENT'})`;
    case 'moveStage':
      return `moves ${call.stage} from ${short(call.from)} to ${short(call.to)}`;
    case 'keep':
      return `keeps ${tokenIn(call.value)} in escrow`;
    case 'find':
      return 'looks into escrow';
    case 'remove':
      return 'empties escrow';
  }
}

function short(id: string | undefined): string {
  if (id === undefined) return 'none';
  return id.length > 12 ? `${id.slice(0, 4)}…` : id;
}

function tokenIn(value: string): string {
  const refresh = /"refreshToken":"([^"]+)"/.exec(value)?.[1];
  const access = /"accessToken":"([^"]+)"/.exec(value)?.[1];
  return [refresh, access].filter((token) => token !== undefined).join(' and ') || 'a record without tokens';
}
