import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { isConnectionName } from '../core/connection/target.ts';
import type { Context } from '../core/context.ts';
import type { Dispatched } from '../core/dispatch.ts';
import { RefreshError } from '../core/errors.ts';
import { COMMAND } from '../core/hint.ts';
import { type Told, tell } from '../core/notices.ts';
import type { Refreshed } from '../core/report.ts';
import { enumerated } from '../core/wording.ts';
import { logBug, logRefreshError } from './error-log.ts';
import type { World } from './lambda.ts';

/** Lines of one kind that a tick writes at most: the log of one must stay small whoever fills Secrets Manager. */
const LINES = 50;

type Sinks = Pick<World, 'log' | 'metrics'>;

/** Logs what became of each connection, one line each, and counts it. */
export function record({ served, bugs }: Refreshed, { log, metrics }: Sinks): void {
  for (const { report, error } of served) {
    const { connection, outcome } = report;
    if (error === undefined) {
      log.info(`${connection}: ${outcome}`, { ...report });
      if (outcome === 'refreshed') metrics.addMetric('Refreshed', MetricUnit.Count, 1);
      continue;
    }
    const { error: _shown, ...rest } = report;
    logRefreshError(error, log, rest);
    const byCode = metrics.singleMetric();
    byCode.addDimension('code', error.code);
    byCode.addMetric('Failed', MetricUnit.Count, 1);
  }
  for (const { connection, error } of bugs) logBug(error, log, { connection });
}

/** Tells people of a connection what its alarms cannot, and logs it. What cannot be told fails nothing. */
export async function announce(told: readonly Told[], world: Sinks & Context): Promise<void> {
  const { notices, problems } = await tell(told, world);
  for (const { kind, detail } of notices) {
    const { connection, principal, summary } = detail;
    world.log.warn(summary, { connection, notice: kind, ...(principal === undefined ? {} : { principal }) });
  }
  for (const error of problems) logRefreshError(error, world.log, {});
}

/** @throws what Lambda should invoke the function again for: an error that may pass, or a bug that may not come again */
export function throwWhatMayPass({ served, bugs }: Refreshed): void {
  const error = served.find((one) => one.error?.retryable === true)?.error;
  if (error !== undefined) throw error;
  if (bugs[0] !== undefined) throw bugs[0].error;
}

/**
 * Says at every tick how all connections are, as gauges: an alarm on a gauge lasts as long as its fault.
 * Of escrow the names are listed, never the values.
 */
export async function recordTick(
  { summary, overdue, faulty }: Dispatched,
  tick: Date,
  { log, metrics, run, ports }: Sinks & Pick<World, 'run' | 'ports'>,
): Promise<void> {
  for (const { connection, error } of faulty.slice(0, LINES)) {
    logRefreshError(error, log, { connection });
  }
  for (const [code, rest] of Map.groupBy(faulty.slice(LINES), ({ error }) => error.code)) {
    const names = enumerated(rest.map(({ connection }) => connection));
    log.error(
      `${rest.length} more fail with ${code}: ${names} → correct those above first, or run: ${COMMAND} status`,
      { code },
    );
  }
  for (const { connection, seconds } of overdue.slice(0, LINES)) {
    log.warn(
      `${connection}: has waited ${seconds} s for a refresh → look for its last failure in the saved query one-connection, or run: ${COMMAND} check ${connection}`,
      { connection, overdueSeconds: seconds },
    );
  }
  if (overdue.length > LINES)
    log.warn(`${overdue.length - LINES} more connections have waited too long for a refresh.`);
  log.info('dispatched', {
    ...summary,
    missingProfiles: enumerated(summary.missingProfiles),
    sharedProfiles: enumerated(summary.sharedProfiles),
    scheduledTime: tick.toISOString(),
  });
  if (summary.enqueued < summary.due) {
    log.error(
      `${summary.due - summary.enqueued} of ${summary.due} due connections could not be sent to the queue → see whether the queue and its key are as they were deployed`,
    );
  }
  metrics.addMetric('Connections', MetricUnit.Count, summary.connections);
  // A connection whose tags cannot be read is not served, whatever its age; missing and shared profiles have gauges of their own.
  const malformed = faulty.filter(({ error }) => error.code === 'SECRET_MALFORMED').length;
  metrics.addMetric('OverdueConnections', MetricUnit.Count, overdue.length + malformed);
  metrics.addMetric('OldestOverdueSeconds', MetricUnit.Seconds, Math.max(0, ...overdue.map(({ seconds }) => seconds)));
  metrics.addMetric('MissingProfiles', MetricUnit.Count, summary.missingProfiles.length);
  metrics.addMetric('SharedProfiles', MetricUnit.Count, summary.sharedProfiles.length);
  try {
    // Others may write parameters there too, and what is logged here must be a name.
    const waiting = (await ports.escrow.list(run)).filter(isConnectionName);
    for (const connection of waiting.slice(0, LINES))
      log.warn(
        `${connection}: a refresh token waits in escrow → the next refresh stores it; if it stays, see TOKEN_NOT_PERSISTED in the runbook`,
        { connection },
      );
    if (waiting.length > LINES) log.warn(`${waiting.length - LINES} more refresh tokens wait in escrow.`);
    metrics.addMetric('TokensInEscrow', MetricUnit.Count, waiting.length);
  } catch (error) {
    // What is due is in the queue already: a tick must not fail, and be repeated, because a gauge cannot be read.
    if (!(error instanceof RefreshError)) throw error;
    const { code, hint } = error;
    log.error(`Tokens in escrow could not be counted: ${code}: ${error.message} → ${hint}`, { code, hint });
  }
}
