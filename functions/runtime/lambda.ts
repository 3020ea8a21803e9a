import { randomUUID } from 'node:crypto';
import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import middy from '@middy/core';
import type { Context as LambdaContext } from 'aws-lambda';
import type { Context } from '../core/context.ts';
import type { Clock, Run } from '../core/run.ts';
import { bounded, MOST_MESSAGE } from '../core/wording.ts';
import { systemClock } from './clock.ts';
import { compose, type Parts } from './compose.ts';
import { leaving } from './error-log.ts';
import { parseSettings } from './settings.ts';

/** What an entry is given beside its event. */
export interface World extends Context {
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Milliseconds kept back from Lambda's timeout for the answer and the log. */
const RESERVE = 1_500;

/**
 * Makes a Lambda handler: settings and clients once a container, a deadline a run. An error that escapes is logged here, at the edge, unless it has
 * been logged already.
 *
 * A RefreshError leaves with its code as `errorType` and its message. Whatever else is thrown is a bug: it leaves with its name alone, since its
 * message might quote what it stumbled over. Neither takes its cause along.
 */
export function lambda<R>(
  use: (event: unknown, world: World) => Promise<R>,
  options: { readonly needsQueue?: boolean } = {},
) {
  return (clock: Clock = systemClock) => {
    const log = new Logger({ serviceName: 'appflow-token-refresher' });
    const metrics = new Metrics({ namespace: 'AppFlowTokenRefresher', serviceName: 'appflow-token-refresher' });
    let parts: Parts | undefined;

    return middy<unknown, R, Error, LambdaContext>()
      .use(injectLambdaContext(log, { resetKeys: true }))
      .handler(async (event, context) => {
        let callsBefore = 0;
        try {
          if (parts === undefined) {
            const settings = await parseSettings(process.env, options.needsQueue === true);
            parts ??= compose(settings, 'appflow-token-refresher');
          }
          callsBefore = parts.awsCalls();
          return await use(event, { ...parts, run: runOf(context, clock, log), log, metrics });
        } catch (error) {
          throw leaving(error, log);
        } finally {
          if (parts !== undefined) metrics.addMetric('AwsCalls', MetricUnit.Count, parts.awsCalls() - callsBefore);
          if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
        }
      });
  };
}

function runOf(context: LambdaContext, clock: Clock, log: Logger): Run {
  const left = Math.max(context.getRemainingTimeInMillis() - RESERVE, 0);
  return {
    id: randomUUID(),
    now: clock.now,
    sleep: clock.sleep,
    timer: clock.timer,
    random: Math.random,
    deadline: clock.now() + left,
    signal: AbortSignal.timeout(left),
    warn: (connection, message) => log.warn(bounded(`${connection}: ${message}`, MOST_MESSAGE), { connection }),
  };
}
