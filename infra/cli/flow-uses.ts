import { RefreshError } from '../../functions/core/errors.ts';
import { readFlowError } from '../../functions/core/flow-error.ts';
import type { Flow, FlowInUse, FlowUse } from '../../functions/core/ports.ts';
import { enumerated } from '../../functions/core/wording.ts';
import { note, relative, type Text, text } from './output.ts';
import { orError, type Session } from './session.ts';
import type { Surveyed } from './survey.ts';

/** A flow on the profile of a connection, and what speaks against it. */
export interface FlowSeen extends FlowUse {
  readonly trouble?: FlowTrouble;
}

export interface FlowTrouble {
  /** `switched-off`: it does not run until somebody activates it. `run-failed`: its last run, after the last update of the profile. */
  readonly what: 'switched-off' | 'run-failed';
  /** Whether Salesforce has refused the log-in; `unknown` where AppFlow's words do not tell. */
  readonly why: 'log-in' | 'unknown';
  readonly at: Date | undefined;
}

/**
 * The flows that read or write through the profile of each connection: what stops where it fails. They are told besides, so that not being allowed
 * to list them is a line on stderr and no failure.
 *
 * @returns `undefined` where they could not be read
 */
export async function flowUsesOf(
  session: Session,
  connections: readonly Surveyed[],
): Promise<((surveyed: Surveyed) => readonly FlowSeen[]) | undefined> {
  const names = connections.flatMap((surveyed) => profileOf(surveyed) ?? []);
  const uses = await orError(() => session.ports.flows.inUse(names, session.run()));
  if (uses instanceof RefreshError) {
    note`The flows could not be read: ${uses.code}: ${uses.message}`;
    return undefined;
  }
  return (surveyed) => {
    const name = profileOf(surveyed) ?? '';
    return (uses.get(name) ?? []).map((use) => seen(use, name, surveyed.timing?.updatedAt));
  };
}

/** Such as `nightly (Scheduled rate(1hours)), orders (Event)`, at most 20. */
export function shownFlows(flows: readonly FlowSeen[]): string {
  if (flows.length === 0) return 'no flow uses this profile';
  const told = flows.slice(0, MOST_SHOWN).map(({ flowName, trigger }) => `${flowName} (${trigger})`);
  return `${told.join(', ')}${flows.length > MOST_SHOWN ? ` and ${flows.length - MOST_SHOWN} more` : ''}`;
}

const MOST_SHOWN = 20;

/** Those that cannot log in to Salesforce, by AppFlow's own words. */
export function refusedFlows(flows: readonly FlowSeen[]): readonly FlowSeen[] {
  return flows.filter(({ trouble }) => trouble?.why === 'log-in');
}

/** Those that failed for a reason that nobody knows. */
export function doubtfulFlows(flows: readonly FlowSeen[]): readonly FlowSeen[] {
  return flows.filter(({ trouble }) => trouble?.why === 'unknown');
}

/**
 * What is wrong with flows, and what to do: one line and one cure for each kind, with the names of five flows.
 *
 * @param wouldFail whether the connection has a cure of its own, which comes first
 */
export function flowTroubles(connection: string, flows: readonly FlowSeen[], wouldFail: boolean, at: Date): Text[] {
  const refused = Map.groupBy(refusedFlows(flows), ({ trouble }) => trouble?.what);
  const off = refused.get('switched-off') ?? [];
  const failed = refused.get('run-failed') ?? [];
  const doubtful = doubtfulFlows(flows);
  const first = wouldFail
    ? 'First see to the connection. Then run'
    : `If that does not come, run refresh ${connection}, and then`;
  const told: Text[] = [];
  if (off.length > 0) {
    const healing = wouldFail
      ? ''
      : `heal refreshes ${connection} and, where RERUN_FLOWS is true, activates the flow: then there is nothing to do. `;
    told.push(
      text`switched off, and Salesforce had refused the log-in: ${named(off)}.\n  → ${healing}${first} aws appflow start-flow --flow-name ${one(off)}`,
    );
  }
  if (failed.length > 0) {
    const healing = wouldFail
      ? ''
      : `heal refreshes ${connection}: then there is nothing to do but to wait for the next run. `;
    told.push(
      text`Salesforce refused the log-in at the last run${when(failed, at)}, with what AppFlow was given last: ${named(failed)}.\n  → ${healing}${first} aws appflow start-flow --flow-name ${one(failed)} for one that runs on demand.`,
    );
  }
  if (doubtful.length > 0) {
    told.push(
      text`failed, and AppFlow does not say in words that are known here whether it was the log-in: ${named(doubtful)}.\n  → Read the run history of the flow in AppFlow.`,
    );
  }
  return told;
}

/** For a shell, which would read `!` and `#` in a name. */
function one(flows: readonly FlowSeen[]): string {
  const [first] = flows;
  if (first === undefined || flows.length > 1) return 'NAME';
  return /^[\w.-]+$/.test(first.flowName) ? first.flowName : `'${first.flowName}'`;
}

function named(flows: readonly FlowSeen[]): string {
  return enumerated(flows.map(({ flowName }) => flowName));
}

function when([first]: readonly FlowSeen[], at: Date): string {
  return first?.trouble?.at === undefined ? '' : ` (${relative(first.trouble.at, at)})`;
}

function seen({ flowName, trigger, flow }: FlowInUse, profile: string, updatedAt: Date | undefined): FlowSeen {
  const why = whyOf(flow, profile);
  const at = flow.lastRunAt;
  const isNews = at !== undefined && updatedAt !== undefined && at > updatedAt;
  // One that is off stays off, whatever AppFlow was given since.
  if (why === undefined || (flow.isActive && !isNews)) return { flowName, trigger };
  return { flowName, trigger, trouble: { what: flow.isActive ? 'run-failed' : 'switched-off', why, at } };
}

/** What AppFlow's words say of the log-in of this profile; `undefined` where it is not what failed. A flow that a person has suspended has none. */
function whyOf({ errorTexts, profilesAt, hasOtherLogIn }: Flow, profile: string): FlowTrouble['why'] | undefined {
  const errors = errorTexts.map(readFlowError).map((error) => {
    if (error.kind === 'other') return undefined;
    if (error.kind !== 'log-in') return 'unknown';
    if (error.end !== undefined && !profilesAt[error.end].includes(profile)) return undefined;
    return error.isOfAnybody === true && hasOtherLogIn ? 'unknown' : 'log-in';
  });
  if (errors.includes('log-in')) return 'log-in';
  // A reason that is known to be another one explains the words that are not.
  return errors.every((error) => error === 'unknown') ? errors[0] : undefined;
}

function profileOf({ target }: Surveyed): string | undefined {
  return target === undefined || target instanceof RefreshError ? undefined : target.connectorProfileName;
}
