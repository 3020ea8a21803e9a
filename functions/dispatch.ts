import * as v from 'valibot';
import { dispatch } from './core/dispatch.ts';
import { parseInput } from './runtime/input.ts';
import { lambda } from './runtime/lambda.ts';
import { recordTick } from './runtime/telemetry.ts';

/** `{"scheduledTime"}` of the schedule, `{}` by hand for now, `{"force": true}` for all connections. */
const Input = v.strictObject({
  scheduledTime: v.optional(
    v.pipe(
      v.string('must be a string'),
      v.isoTimestamp('must be an ISO 8601 time in UTC, such as 2026-11-24T03:00:00Z'),
    ),
  ),
  force: v.optional(v.boolean('must be true or false')),
});

/** Decides which connections are due and sends each to the queue; says every tick how all of them are. */
export const create = lambda(
  async (event, world) => {
    const input = parseInput(Input, event, 'dispatch takes {"scheduledTime": …}, {} or {"force": true}.');
    const { rules, ports, queue, run } = world;
    const tick = input.scheduledTime === undefined ? new Date(run.now()) : new Date(input.scheduledTime);
    const dispatched = await dispatch(tick, input.force === true, rules, { ...ports, queue: await queue() }, run);
    await recordTick(dispatched, tick, ports.escrow, world);
    return dispatched.summary;
  },
  { needsQueue: true },
);

export const handler = create();
