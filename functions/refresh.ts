import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import * as v from 'valibot';
import { isConnectionName } from './core/connection/target.ts';
import { noticesOf } from './core/notices.ts';
import { refreshByHand } from './core/refresh-by-hand.ts';
import { parseInput } from './runtime/input.ts';
import { lambda, type World } from './runtime/lambda.ts';
import { isQueueEvent, type QueueEvent, serveMessages } from './runtime/queue-event.ts';
import { announce, record } from './runtime/telemetry.ts';

const USAGE = 'refresh takes messages of its queue, or {"connections": ["NAME", …], "dryRun": true or false}.';

const Input = v.strictObject({
  connections: v.pipe(
    v.array(
      v.pipe(v.string('must be a string'), v.check(isConnectionName, 'is not a name that a connection can have')),
      'must be a list of names',
    ),
    v.minLength(1, 'is empty'),
    v.maxLength(1_000, 'has more than 1,000 names'),
  ),
  dryRun: v.optional(v.boolean('must be true or false'), false),
});

async function byHand(event: unknown, world: World) {
  const { connections, dryRun } = parseInput(Input, event, USAGE);
  const refreshed = await refreshByHand(connections, dryRun, world);
  record(refreshed, world);
  await announce(await noticesOf(refreshed.served, world), world);
  if (refreshed.bugs[0] !== undefined) throw refreshed.bugs[0].error;
  const reports = refreshed.served.map(({ report }) => report);
  return { ok: reports.every(({ outcome }) => outcome !== 'failed'), dryRun, connections: reports };
}

async function fromQueue(event: QueueEvent, world: World) {
  const outcomeOf = await serveMessages(event, world);
  // A failed record goes back to the queue; the rest of the batch is done with, also where all failed.
  return processPartialResponse(event, outcomeOf, new BatchProcessor(EventType.SQS), {
    throwOnFullBatchFailure: false,
  });
}

/** Refreshes the connections of a batch of messages, or those that a person names. */
export const create = lambda(async (event, world) =>
  isQueueEvent(event) ? await fromQueue(event, world) : await byHand(event, world),
);

export const handler = create();
