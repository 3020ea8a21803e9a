import type { SQSEvent, SQSRecord } from 'aws-lambda';
import * as v from 'valibot';
import { isConnectionName, isProfileName, type Target } from '../core/connection/target.ts';
import { RefreshError } from '../core/errors.ts';
import { noticesOf } from '../core/notices.ts';
import type { Message } from '../core/ports.ts';
import { refresh } from '../core/refresh.ts';
import { logRefreshError } from './error-log.ts';
import { UtcTime } from './input.ts';
import type { World } from './lambda.ts';
import { announce, record } from './telemetry.ts';

export type QueueEvent = SQSEvent;

const MessageBody = v.strictObject({
  connection: v.pipe(v.string(), v.check(isConnectionName)),
  connectorProfileName: v.pipe(v.string(), v.check(isProfileName)),
  intervalSeconds: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(99_999_999)),
  scheduledTime: UtcTime,
}) satisfies v.GenericSchema<Message, unknown>;

/** Whether Lambda's event source mapping sent this. What it puts around a message is Lambda's word; only the body is ours to doubt. */
export function isQueueEvent(event: unknown): event is QueueEvent {
  return v.is(
    v.object({
      Records: v.pipe(
        v.array(
          v.object({
            eventSource: v.literal('aws:sqs'),
            // It is logged.
            messageId: v.pipe(v.string(), v.regex(/^[\w-]{1,100}$/)),
            body: v.string(),
          }),
        ),
        v.minLength(1),
      ),
    }),
    event,
  );
}

/**
 * Refreshes every connection that a batch names, once each, and gives a function from a record to its outcome: it throws where the record
 * should come back or end in the dead-letter queue, which are those worth retrying and those that are no message of ours.
 */
export async function serveMessages(event: QueueEvent, world: World): Promise<(record: SQSRecord) => Promise<void>> {
  const targets = new Map<string, Target>();
  for (const { body, attributes } of event.Records) {
    const target = targetIn(body);
    if (target === undefined) continue;
    const other = targets.get(target.connection);
    // Of two messages for one connection the later tick asks for more, and a retry stays one. What failed blocks its group in the queue, so that with
    // short ticks several come together: each of them may be the one at which people are told.
    const asked = other === undefined || later(target, other) ? target : other;
    const tick = { scheduledTime: target.scheduledTime, isRetry: isRetry(attributes) };
    targets.set(target.connection, {
      ...asked,
      isRetry: tick.isRetry || other?.isRetry === true,
      ticks: [...(other?.ticks ?? []), tick],
    });
  }
  const refreshed = await refresh({ targets: [...targets.values()], dryRun: false }, world);
  record(refreshed, world);
  await announce(await noticesOf(refreshed.served, world), world);
  const failures = new Map<string, unknown>();
  for (const { report, error } of refreshed.served)
    if (error?.retryable === true) failures.set(report.connection, error);
  for (const { connection, error } of refreshed.bugs) failures.set(connection, error);
  return async ({ messageId, body }) => {
    const target = targetIn(body);
    if (target === undefined) {
      const error = new RefreshError(
        'INPUT_INVALID',
        `The message ${messageId} is not one that dispatch sends.`,
        'Look at it in the dead-letter queue, where it goes after its last try, and delete it there.',
      );
      logRefreshError(error, world.log, { messageId });
      throw error;
    }
    if (failures.has(target.connection)) throw failures.get(target.connection);
  };
}

/** Whether the queue gave the message out before; what does not say so is new. */
function isRetry(attributes: unknown): boolean {
  const result = v.safeParse(v.object({ ApproximateReceiveCount: v.string() }), attributes);
  return result.success && Number(result.output.ApproximateReceiveCount) > 1;
}

function targetIn(body: string): (Target & { readonly scheduledTime: Date }) | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return undefined;
  }
  const result = v.safeParse(MessageBody, parsed);
  if (!result.success) return undefined;
  return { ...result.output, unlessUpdatedAfter: result.output.scheduledTime };
}

function later(one: Target, other: Target): boolean {
  return (one.unlessUpdatedAfter?.getTime() ?? 0) > (other.unlessUpdatedAfter?.getTime() ?? 0);
}
