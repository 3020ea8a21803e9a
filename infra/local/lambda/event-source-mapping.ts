/** Lambda's event source mapping for SQS: receives batches, calls the function, and deletes what did not fail. */
import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { ClockedQueue } from '../queue/clocked-queue.ts';
import type { Queues } from '../queue/queue.ts';
import type { Environment } from '../wire/environment.ts';
import { type Invoke, UnknownFunction } from './lambda.ts';

export interface PollOptions {
  /** Name or URL. */
  readonly queue: string;
  /** 1 to 10 for a FIFO queue; 10 unless given. */
  readonly batchSize?: number;
  /** Without it the function's answer is not looked at: a batch fails as a whole, or not at all. */
  readonly reportBatchItemFailures?: boolean;
  /** How many batches may be in work at once, 2 to 1000; 2 unless given. */
  readonly maximumConcurrency?: number;
}

export interface EventSourceMapping {
  /** One round: as many batches as may be in work at once. Returns how many there were. */
  poll(functionName: string, options: PollOptions): Promise<number>;
  /** Polls until nothing is visible any more; waits for nothing that is invisible. Returns the number of invocations. */
  drain(functionName: string, options: PollOptions): Promise<number>;
  /** What functions threw, in order; each cost a whole batch. */
  readonly errors: readonly unknown[];
}

type Batch = ReturnType<ClockedQueue['dequeue']>;

const Response = v.nullish(
  v.object({ batchItemFailures: v.nullish(v.array(v.object({ itemIdentifier: v.string() }))) }),
);

export function createEventSourceMapping(
  env: Environment,
  queues: Pick<Queues, 'find' | 'deadLetters'>,
  invoke: Invoke | undefined,
): EventSourceMapping {
  const errors: unknown[] = [];

  async function work(functionName: string, queue: ClockedQueue, batch: Batch, report: boolean): Promise<void> {
    if (invoke === undefined)
      throw new Error('The local AWS was started without `invoke`, so there is no function to call.');
    const event = { Records: batch.map((received) => record(env, queue, received)) };
    // A function that throws fails its whole batch.
    const answer = await invoke(functionName, event, randomUUID()).then(
      (value) => ({ value }),
      (error: unknown) => {
        if (error instanceof UnknownFunction) throw error;
        errors.push(error);
        return undefined;
      },
    );
    if (answer === undefined) return;
    const failed = report ? failures(answer.value, batch) : new Set<string>();
    for (const { MessageId, ReceiptHandle } of batch) {
      if (failed !== 'all' && !failed.has(MessageId)) queue.deleteMessage(ReceiptHandle);
    }
  }

  const mapping: EventSourceMapping = {
    errors,
    async poll(functionName, { queue: name, batchSize = 10, reportBatchItemFailures = false, maximumConcurrency = 2 }) {
      const queue = queues.find(name);
      if (batchSize < 1 || batchSize > 10) throw new RangeError('batchSize must be between 1 and 10.');
      if (maximumConcurrency < 2 || maximumConcurrency > 1000)
        throw new RangeError('maximumConcurrency must be between 2 and 1000.');
      const rounds: Promise<void>[] = [];
      while (rounds.length < maximumConcurrency) {
        const batch = queue.dequeue(batchSize, undefined, queues.deadLetters);
        if (batch.length === 0) break;
        rounds.push(work(functionName, queue, batch, reportBatchItemFailures));
      }
      await Promise.all(rounds);
      return rounds.length;
    },
    async drain(functionName, options) {
      let invocations = 0;
      for (let round = await mapping.poll(functionName, options); round > 0; ) {
        invocations += round;
        round = await mapping.poll(functionName, options);
      }
      return invocations;
    },
  };
  return mapping;
}

/** Nothing reported means nothing failed; a report that names something else than the batch's own messages fails all of it. */
function failures(answer: unknown, batch: Batch): ReadonlySet<string> | 'all' {
  const parsed = v.safeParse(Response, answer);
  if (!parsed.success) return 'all';
  const failed = new Set(parsed.output?.batchItemFailures?.map(({ itemIdentifier }) => itemIdentifier));
  const known = new Set(batch.map(({ MessageId }) => MessageId));
  return [...failed].every((id) => known.has(id)) ? failed : 'all';
}

function record(env: Environment, queue: ClockedQueue, received: Batch[number]) {
  const { MessageId, ReceiptHandle, MD5OfBody, Body, MessageAttributes = {} } = received;
  const message = queue.messageOf(ReceiptHandle);
  return {
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    attributes: {
      ApproximateReceiveCount: String(message?.approximateReceiveCount),
      SentTimestamp: String(message?.sentTimestamp),
      SequenceNumber: message?.sequenceNumber,
      MessageGroupId: message?.messageGroupId,
      SenderId: `AROALOCAL:${env.accountId}`,
      MessageDeduplicationId: message?.messageDeduplicationId,
      ApproximateFirstReceiveTimestamp: String(message?.approximateFirstReceiveTimestamp),
    },
    // The event spells the attributes' keys with a small letter, and adds two lists that are always empty.
    messageAttributes: Object.fromEntries(
      Object.entries(MessageAttributes).map(([name, { DataType, StringValue, BinaryValue }]) => [
        name,
        {
          stringValue: StringValue,
          binaryValue: BinaryValue,
          stringListValues: [],
          binaryListValues: [],
          dataType: DataType,
        },
      ]),
    ),
    md5OfBody: MD5OfBody,
    eventSource: 'aws:sqs',
    eventSourceARN: queue.arn,
    awsRegion: env.region,
  };
}
