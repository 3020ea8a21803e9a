import { belonging } from './connection/belonging.ts';
import { type ListedTarget, listedTargets, type Target } from './connection/target.ts';
import type { Context } from './context.ts';
import { RefreshError } from './errors.ts';
import { type FlowError, readFlowError } from './flow-error.ts';
import type { Flow } from './ports.ts';
import { refresh } from './refresh.ts';
import type { ConnectionReport, Refreshed } from './report.ts';
import { datesOf, dueSince } from './schedule.ts';
import { bounded, enumerated, MOST_MESSAGE } from './wording.ts';

/** What AppFlow's event says, times parsed. */
export interface FlowFailure {
  /** The event's id: EventBridge may deliver it twice, and StartFlow then starts once. */
  readonly eventId: string;
  readonly flowName: string;
  /** When the failed run started; `undefined` for a deactivation, which names no run. */
  readonly startedAt: Date | undefined;
  readonly eventTime: Date;
  /** Whether AppFlow has switched the flow off. */
  readonly isDeactivated: boolean;
  /** Whether the run did not fail at all. */
  readonly endedWell: boolean;
  /** AppFlow's own words for why; empty where it gives none. */
  readonly reason: string;
}

export interface HealReport {
  readonly flow: string;
  readonly outcome: 'healed' | 'nothing-to-do' | 'failed';
  /** In one line, what was found and done. */
  readonly message: string;
  readonly connections: readonly ConnectionReport[];
}

export interface Healed {
  readonly report: HealReport;
  /** Whether nothing was done because nobody knows what AppFlow said: a person should look. */
  readonly isUnknown: boolean;
  readonly refreshed: Refreshed;
}

/** A credential this young was as good as a new one when the run started: milliseconds. */
const YOUNG = 15 * 60_000;

/**
 * Refreshes the connection behind a flow that failed to log in, and starts the flow again where that is wanted.
 *
 * What the event leaves open is looked up in AppFlow's own description of the flow: an event may have no text, and a deactivation may speak only of how
 * often the flow failed. What is still unknown then is reported, and nothing is done.
 *
 * Nothing is done where the credential was less than 15 minutes old when the run started: a newer one would not help, and so it cannot loop.
 * A connection that has been due for longer than a tick is left to the schedule: its refreshes fail, and flows may fail every minute.
 */
export async function heal(failure: FlowFailure, context: Context): Promise<Healed> {
  const { rules, ports, run } = context;
  const { flowName } = failure;
  const nothing = (message: string): Healed => ({
    report: { flow: flowName, outcome: 'nothing-to-do', message: bounded(message, MOST_MESSAGE), connections: [] },
    refreshed: { served: [], bugs: [] },
    isUnknown: false,
  });
  const otherwise = () => nothing(`${flowName} did not fail because of its credentials at Salesforce; nothing to do.`);
  const unknown = (error: FlowError): Healed => ({ ...nothing(unknownText(flowName, error)), isUnknown: true });
  if (failure.endedWell) return nothing('This run did not fail; nothing to do.');
  const told = readFlowError(failure.reason);
  if (told.kind === 'other') return otherwise();
  if (told.kind === 'unknown' && !failure.isDeactivated) return unknown(told);
  const flow = await ports.flows.flow(flowName, run);
  if (flow === undefined) return nothing(`${flowName} does not exist any more.`);
  const error = isCertain(told) ? told : mostTelling([told, ...flow.errorTexts.map(readFlowError)]);
  if (error.kind === 'other') return otherwise();
  if (error.kind !== 'log-in' || (error.isOfAnybody === true && flow.hasOtherLogIn)) return unknown(error);

  const startedAt = failure.startedAt ?? flow.lastRunAt ?? failure.eventTime;
  const all = await listedTargets(context);
  const belongs = belonging(all);
  const names = error.end === undefined ? flow.connectorProfileNames : flow.profilesAt[error.end];
  const targets = names.flatMap((name) => belongs.get(name)?.owner ?? []);
  if (targets.length === 0)
    return nothing(`No connection names the profile of ${flowName} (${enumerated(names) || 'not a Salesforce flow'}).`);

  const profiles = await ports.appflow.profiles(
    [...new Set(targets.map((target) => target.connectorProfileName))],
    run,
  );
  const isYoung = ({ connectorProfileName }: Target) => {
    const updatedAt = profiles.get(connectorProfileName)?.updatedAt;
    return updatedAt !== undefined && updatedAt <= startedAt && startedAt.getTime() - updatedAt.getTime() < YOUNG;
  };
  if (targets.every(isYoung)) {
    const young = enumerated(targets.map(({ connectorProfileName }) => connectorProfileName));
    return nothing(
      `The credentials of ${young} were less than 15 minutes old when ${flowName} started, so newer ones would not help. Look at the run's error in AppFlow: it is the user's permissions, the app's policies or the flow itself.`,
    );
  }

  const failing = ({ connectorProfileName, ...target }: ListedTarget) => {
    const profile = profiles.get(connectorProfileName);
    if (profile === undefined) return false;
    const since = dueSince(datesOf({ connectorProfileName, ...target }, profile));
    return run.now() - since.getTime() > rules.tickSeconds * 1000;
  };
  if (targets.some(failing)) {
    const behind = enumerated(targets.filter(failing).map(({ connection }) => connection));
    return nothing(
      `${behind} has been due for longer than a tick, so its refreshes fail: the schedule goes on with them, ever more rarely. Look for its last failure in the saved query one-connection.`,
    );
  }

  // A profile that was updated since the run started is up to date already: then only the second step is needed.
  const stale = targets
    .filter((target) => !isYoung(target))
    .map((target) => ({ ...target, unlessUpdatedAfter: startedAt, isHealing: true }));
  const refreshed = await refresh({ targets: stale, dryRun: false, belongs }, context);
  const reports = refreshed.served.map(({ report }) => report);
  const report = (outcome: HealReport['outcome'], message: string): Healed => ({
    report: { flow: flowName, outcome, message: bounded(message, MOST_MESSAGE), connections: reports },
    refreshed,
    isUnknown: false,
  });
  if (refreshed.bugs.length > 0 || reports.some(({ outcome }) => outcome === 'failed'))
    return report('failed', `${flowName} stays as it is: its connection could not be refreshed.`);
  if (reports.some(({ outcome }) => outcome === 'in-progress')) {
    throw new RefreshError(
      'OUT_OF_TIME',
      `Another run holds the connection of ${flowName}.`,
      'Nothing to do: Lambda runs this again in a minute.',
    );
  }
  return report('healed', `The connection of ${flowName} is fresh. ${await startAgain(failure, flow, context)}`);
}

/** Whether it is known what failed, and that it is of Salesforce or is not. */
function isCertain(error: FlowError): boolean {
  return error.kind === 'other' || (error.kind === 'log-in' && error.isOfAnybody !== true);
}

/** The first that is certain; else the first log-in; else the first that there is. */
function mostTelling(errors: readonly FlowError[]): FlowError {
  const first = (kind: FlowError['kind']) => errors.find((error) => error.kind === kind);
  return errors.find(isCertain) ?? first('log-in') ?? first('unknown') ?? { kind: 'none' };
}

/** For a person who can read the text itself: of the text, only what is safe to show. */
function unknownText(flowName: string, error: FlowError): string {
  const what =
    error.kind === 'unknown'
      ? `a text that is not known here (${error.about})`
      : error.kind === 'log-in'
        ? 'a text that does not say which of its ends was refused'
        : 'no text, in the event or in the flow,';
  return `AppFlow gives ${what} for why ${flowName} failed, so nothing was done. Read the flow's run history in AppFlow. If it is a refused log-in at Salesforce, refresh its connection by hand, and report the text so that it can be learnt.`;
}

async function startAgain(failure: FlowFailure, flow: Flow, { rules, ports, run }: Context): Promise<string> {
  const { flowName, eventId } = failure;
  const { flows } = ports;
  if (!rules.rerunFlows) return 'RERUN_FLOWS is off, so the flow was not started.';
  if (flow.triggerType === 'OnDemand') {
    await flows.start(flowName, eventId, run);
    return 'The flow runs again.';
  }
  if (flow.isActive && !failure.isDeactivated) return 'The flow is active and runs again at its time.';
  await flows.start(flowName, eventId, run);
  return 'The flow is activated again.';
}
