import { MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Dispatched } from '../core/dispatch.ts';
import { errorNames, RefreshError } from '../core/errors.ts';
import type { Served } from '../core/refresh.ts';
import type { Run } from '../core/run.ts';
import type { World } from './lambda.ts';

type Sinks = Pick<World, 'log' | 'metrics'>;

/** Logs what became of each connection, one line each, and counts it. */
export function record(served: readonly Served[], { log, metrics }: Pick<World, 'log' | 'metrics'>): void {
  for (const { report, error } of served) {
    const { connection, outcome } = report;
    if (error === undefined) {
      log.info(`${connection}: ${outcome}`, { ...report });
      if (outcome === 'refreshed') metrics.addMetric('Refreshed', MetricUnit.Count, 1);
      continue;
    }
    const { error: _shown, ...rest } = report;
    const { code, retryable, hint } = error;
    const line = `${connection}: ${code}: ${error.message} → ${hint}`;
    log[retryable ? 'warn' : 'error'](line, { ...rest, code, retryable, hint, causes: errorNames(error) });
    const byCode = metrics.singleMetric();
    byCode.addDimension('code', code);
    byCode.addMetric('Failed', MetricUnit.Count, 1);
  }
}

/**
 * Says at every tick how all connections are, as gauges: an alarm on a gauge stands while the fault does, and clears when it is over.
 *
 * @param escrow its names are listed, never its values
 */
export async function recordTick(
  { summary, overdue, faulty }: Dispatched,
  tick: Date,
  escrow: { list(run: Run): Promise<readonly string[]> },
  { log, metrics, run }: Sinks & Pick<World, 'run'>,
): Promise<void> {
  for (const { connection, error } of faulty) {
    const { code, hint } = error;
    log.error(`${connection}: ${code}: ${error.message} → ${hint}`, { connection, code, hint });
  }
  for (const { connection, seconds } of overdue) {
    log.warn(`${connection}: overdue by ${seconds} s`, { connection, overdueSeconds: seconds });
  }
  log.info('dispatched', { ...summary, scheduledTime: tick.toISOString() });
  metrics.addMetric('Connections', MetricUnit.Count, summary.connections);
  // A connection whose tags cannot be read is not served, whatever its age; missing and shared profiles have gauges of their own.
  const malformed = faulty.filter(({ error }) => error.code === 'SECRET_MALFORMED').length;
  metrics.addMetric('OverdueConnections', MetricUnit.Count, overdue.length + malformed);
  metrics.addMetric('OldestOverdueSeconds', MetricUnit.Seconds, Math.max(0, ...overdue.map(({ seconds }) => seconds)));
  metrics.addMetric('MissingProfiles', MetricUnit.Count, summary.missingProfiles.length);
  metrics.addMetric('SharedProfiles', MetricUnit.Count, summary.sharedProfiles.length);
  try {
    const waiting = await escrow.list(run);
    for (const connection of waiting) log.warn(`${connection}: a refresh token waits in escrow`, { connection });
    metrics.addMetric('TokensInEscrow', MetricUnit.Count, waiting.length);
  } catch (error) {
    // What is due is in the queue already: a tick must not fail, and be repeated, because a gauge cannot be read.
    if (!(error instanceof RefreshError)) throw error;
    const { code, hint } = error;
    log.error(`Tokens in escrow could not be counted: ${code}: ${error.message} → ${hint}`, { code, hint });
  }
}
