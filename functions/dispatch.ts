import * as v from 'valibot';
import { dispatch } from './core/dispatch.ts';
import { parseInput, UtcTime } from './runtime/input.ts';
import { lambda } from './runtime/lambda.ts';
import { recordTick } from './runtime/telemetry.ts';

/** `{"scheduledTime"}` of the schedule, `{}` by hand for now, `{"force": true}` for all connections. */
const Input = v.strictObject({
  scheduledTime: v.optional(UtcTime),
  force: v.optional(v.boolean('must be true or false')),
});

/** Decides which connections are due and sends each to the queue; says every tick how all of them are. */
export const create = lambda(
  async (event, world) => {
    const input = parseInput(Input, event, 'dispatch takes {"scheduledTime": …}, {} or {"force": true}.');
    const scheduledTime = input.scheduledTime ?? new Date(world.run.now());
    const dispatched = await dispatch({ scheduledTime, force: input.force === true }, world);
    await recordTick(dispatched, scheduledTime, world);
    return dispatched.summary;
  },
  { needsQueue: true },
);

export const handler = create();
