import * as v from 'valibot';
import { dispatch } from './core/dispatch.ts';
import { parseInput } from './runtime/input.ts';
import { lambda } from './runtime/lambda.ts';

/** `{"scheduledTime"}` of the schedule, `{}` by hand for now, `{"force": true}` for all connections. */
const Input = v.strictObject({
  scheduledTime: v.optional(v.pipe(v.string('must be a string'), v.isoTimestamp('must be an ISO 8601 time in UTC'))),
  force: v.optional(v.boolean('must be true or false')),
});

/** Decides which connections are due and sends each to the queue. */
export const create = lambda(
  async (event, { rules, ports, queue, run, log }) => {
    const { scheduledTime, force } = parseInput(
      Input,
      event,
      'dispatch takes {"scheduledTime": …}, {} or {"force": true}.',
    );
    const tick = scheduledTime === undefined ? new Date(run.now()) : new Date(scheduledTime);
    const { summary, malformed } = await dispatch(tick, force === true, rules, { ...ports, queue: await queue() }, run);
    for (const { connection, error } of malformed) {
      log.error(`${connection}: ${error.code}: ${error.message} ${error.hint}`, {
        connection,
        code: error.code,
        hint: error.hint,
      });
    }
    log.info('dispatched', { ...summary, scheduledTime: tick.toISOString() });
    return summary;
  },
  { needsQueue: true },
);

export const handler = create();
