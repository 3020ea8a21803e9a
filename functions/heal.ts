import * as v from 'valibot';
import { heal } from './core/heal.ts';
import { parseInput } from './runtime/input.ts';
import { lambda } from './runtime/lambda.ts';
import { record } from './runtime/telemetry.ts';

const USAGE = "heal takes AppFlow's events 'AppFlow End Flow Run Report' and 'AppFlow Scheduled Flow Deactivated'.";

/** AppFlow writes the zone in brackets behind its times, which `Date` cannot parse. */
const Time = v.pipe(
  v.string(),
  v.transform((text) => new Date(text.replace(/\[[\w/]+\]$/, ''))),
  v.check((date) => !Number.isNaN(date.getTime()), 'is no time'),
);

const Input = v.object({
  id: v.pipe(v.string(), v.minLength(1)),
  time: Time,
  'detail-type': v.picklist(
    ['AppFlow End Flow Run Report', 'AppFlow Scheduled Flow Deactivated'],
    'is none of the events that can be healed',
  ),
  detail: v.object({
    'flow-name': v.pipe(v.string(), v.regex(/^[\w!@#.-]{1,256}$/, 'is no name of a flow')),
    status: v.optional(v.string()),
    error: v.optional(v.string()),
    'deactivation-reason': v.optional(v.string()),
    'start-time': v.optional(Time),
  }),
});

/** Refreshes the connection of a flow that failed to log in, and starts the flow again if RERUN_FLOWS says so. */
export const create = lambda(async (event, world) => {
  const { id, time, 'detail-type': kind, detail } = parseInput(Input, event, USAGE);
  const isDeactivated = kind === 'AppFlow Scheduled Flow Deactivated';
  const failure = {
    eventId: id,
    flowName: detail['flow-name'],
    startedAt: detail['start-time'],
    eventTime: time,
    isDeactivated,
    // A run that ended well has no error.
    reason: (isDeactivated ? detail['deactivation-reason'] : detail.error) ?? '',
  };
  const { report, served } = await heal(failure, { ...world.rules, ...world.settings }, world.ports, world.run);
  // Lambda invokes this again after an error; it is logged on its way out.
  const worthRetrying = served.find(({ error }) => error?.retryable === true)?.error;
  if (worthRetrying !== undefined) throw worthRetrying;
  record(served, world);
  const { connections: _logged, ...line } = report;
  world.log.info(`${report.flow}: ${report.message}`, line);
  return report;
});

export const handler = create();
