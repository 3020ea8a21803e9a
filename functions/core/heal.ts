import { belonging } from './connection/belonging.ts';
import { type ListedTarget, listedTargets, type Target } from './connection/target.ts';
import type { Context } from './context.ts';
import { RefreshError } from './errors.ts';
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
  /** AppFlow's own words for why. */
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
  readonly refreshed: Refreshed;
}

/** A credential this young was as good as a new one when the run started: milliseconds. */
const YOUNG = 15 * 60_000;

/** AppFlow publishes no code for it, only sentences; these words stand in those that speak of credentials. */
const AUTHENTICATION =
  /authenticat|authoriz|authoris|\bauth\b|oauth|invalid_grant|invalid_session|session expired|access token|refresh token|credential|\b401\b|connectorauth/i;

/**
 * Refreshes the connection behind a flow that failed to log in, and starts the flow again where that is wanted.
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
  });
  if (!AUTHENTICATION.test(failure.reason))
    return nothing('This run did not fail because of its credentials; nothing to do.');
  const flow = await ports.flows.flow(flowName, run);
  if (flow === undefined) return nothing(`${flowName} does not exist any more.`);

  const startedAt = failure.startedAt ?? flow.lastRunAt ?? failure.eventTime;
  const all = await listedTargets(context);
  const belongs = belonging(all);
  const targets = flow.connectorProfileNames.flatMap((name) => belongs.get(name)?.owner ?? []);
  if (targets.length === 0)
    return nothing(
      `No connection names the profile of ${flowName} (${enumerated(flow.connectorProfileNames) || 'not a Salesforce flow'}).`,
    );

  const profiles = await ports.appflow.profiles(
    [...new Set(targets.map((target) => target.connectorProfileName))],
    run,
  );
  const isYoung = ({ connectorProfileName }: Target) => {
    const updatedAt = profiles.get(connectorProfileName)?.updatedAt;
    return updatedAt !== undefined && updatedAt <= startedAt && startedAt.getTime() - updatedAt.getTime() < YOUNG;
  };
  if (targets.every(isYoung)) {
    const names = enumerated(targets.map(({ connectorProfileName }) => connectorProfileName));
    return nothing(
      `The credentials of ${names} were less than 15 minutes old when ${flowName} started, so newer ones would not help. Look at the run's error in AppFlow: it is the user's permissions, the app's policies or the flow itself.`,
    );
  }

  const failing = ({ connectorProfileName, ...target }: ListedTarget) => {
    const profile = profiles.get(connectorProfileName);
    if (profile === undefined) return false;
    const since = dueSince(datesOf({ connectorProfileName, ...target }, profile));
    return run.now() - since.getTime() > rules.tickSeconds * 1000;
  };
  if (targets.some(failing)) {
    const names = enumerated(targets.filter(failing).map(({ connection }) => connection));
    return nothing(
      `${names} has been due for longer than a tick, so its refreshes fail: the schedule goes on with them, ever more rarely. Look for its last failure in the saved query one-connection.`,
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
