/** Lambda's event source mapping for SQS: receives batches, calls the function, and deletes what did not fail. */
import * as v from 'valibot';
import type { ClockedQueue, ClockedQueues } from '../queue/clocked-queue.ts';
import type { Environment } from '../wire/operation.ts';
import { type Invoke, UnknownFunction } from './lambda.ts';

interface MappingOptions {
  readonly queue: string;
  readonly batchSize: number;
  /** Without it the function's answer is not looked at: a batch fails as a whole, or not at all. */
  readonly reportBatchItemFailures: boolean;
  /** How many batches may be in work at once. */
  readonly maximumConcurrency: number;
}

type Batch = ReturnType<ClockedQueue['dequeue']>;

const Response = v.nullish(
  v.object({ batchItemFailures: v.nullish(v.array(v.object({ itemIdentifier: v.string() }))) }),
);

export function createEventSourceMapping(env: Environment, queues: ClockedQueues, invoke: Invoke) {
  async function work(functionName: string, queue: ClockedQueue, batch: Batch, report: boolean): Promise<void> {
    const event = { Records: batch.map((received) => record(env, queue, received)) };
    let failed: readonly string[] | 'all' = 'all';
    try {
      const answer = await invoke(functionName, event);
      failed = report ? failures(answer, batch) : [];
    } catch (error) {
      // Whatever else it throws, a function fails its whole batch.
      if (error instanceof UnknownFunction) throw error;
    }
    for (const { MessageId, ReceiptHandle } of batch) {
      if (failed !== 'all' && !failed.includes(MessageId)) queue.deleteMessage(ReceiptHandle);
    }
  }

  return {
    /** Polls until nothing is visible any more; waits for nothing that is invisible. Returns the number of invocations. */
    async drain(functionName: string, options: MappingOptions): Promise<number> {
      const queue = queues.find(options.queue);
      let invocations = 0;
      for (;;) {
        const round: Promise<void>[] = [];
        while (round.length < options.maximumConcurrency) {
          const batch = queue.dequeue(options.batchSize, undefined, (arn) => queues.getQueueByArn(arn));
          if (batch.length === 0) break;
          round.push(work(functionName, queue, batch, options.reportBatchItemFailures));
        }
        if (round.length === 0) return invocations;
        await Promise.all(round);
        invocations += round.length;
      }
    },
  };
}

/** Nothing reported means nothing failed; a report that names something else than the batch's own messages fails all of it. */
function failures(answer: unknown, batch: Batch): readonly string[] | 'all' {
  const parsed = v.safeParse(Response, answer);
  if (!parsed.success) return 'all';
  const failed = parsed.output?.batchItemFailures?.map(({ itemIdentifier }) => itemIdentifier) ?? [];
  return failed.every((id) => batch.some(({ MessageId }) => MessageId === id)) ? failed : 'all';
}

function record(env: Environment, queue: ClockedQueue, { MessageId, ReceiptHandle, MD5OfBody, Body }: Batch[number]) {
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
    messageAttributes: {},
    md5OfBody: MD5OfBody,
    eventSource: 'aws:sqs',
    eventSourceARN: queue.arn,
    awsRegion: env.region,
  };
}
