/**
 * SQS: fauxqs behind our own server, so that its requests are recorded, permitted and broken as everyone's are. It is spoken to without a
 * socket, so it listens nowhere. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
 */
import type {
  CreateQueueRequest,
  DeleteMessageBatchRequest,
  DeleteMessageRequest,
  GetQueueAttributesRequest,
  GetQueueUrlRequest,
  ReceiveMessageRequest,
  SendMessageBatchRequest,
  SendMessageRequest,
} from '@aws-sdk/client-sqs';
import { buildApp } from 'fauxqs';
import * as v from 'valibot';
import { S3Store } from '../../../node_modules/fauxqs/dist/s3/s3Store.js';
import { SnsStore } from '../../../node_modules/fauxqs/dist/sns/snsStore.js';
import type { Environment } from '../wire/environment.ts';
import { AwsError } from '../wire/error.ts';
import { operationsOf, type Service, textIn } from '../wire/operation.ts';
import { type ClockedQueue, ClockedQueues } from './clocked-queue.ts';
import { checkAttributeNames, checkAttributes, checkBatch, checkHandle, checkIds, sqsError } from './rules.ts';

interface Requests {
  CreateQueue: CreateQueueRequest;
  GetQueueUrl: GetQueueUrlRequest;
  GetQueueAttributes: GetQueueAttributesRequest;
  SendMessage: SendMessageRequest;
  SendMessageBatch: SendMessageBatchRequest;
  ReceiveMessage: ReceiveMessageRequest;
  DeleteMessage: DeleteMessageRequest;
  DeleteMessageBatch: DeleteMessageBatchRequest;
}

export interface SeenMessage {
  readonly body: string;
  readonly groupId: string | undefined;
  readonly receiveCount: number;
}

/** For tests and the world: no permissions, no faults. */
export interface QueueState {
  /** Attributes as SQS names them (`VisibilityTimeout`, `RedrivePolicy`, …). Returns the queue's URL. */
  create(name: string, attributes: Record<string, string>): Promise<string>;
  /** Everything in the queue, in order, in flight or not. */
  messages(name: string): readonly SeenMessage[];
  /** Puts a message into a FIFO queue. */
  send(name: string, message: { body: string; groupId: string | undefined; deduplicationId: string }): void;
}

export interface Queues {
  readonly service: Service;
  readonly state: QueueState;
  /** By name or URL. @throws QueueDoesNotExist */
  find(nameOrUrl: string): ClockedQueue;
  /** Where a message goes that was received too often. */
  readonly deadLetters: (arn: string) => ClockedQueue | undefined;
  close(): Promise<void>;
}

const Refusal = v.object({ __type: v.string(), message: v.string() });
const Batched = v.object({ Successful: v.array(v.unknown()), Failed: v.array(v.unknown()) });
const Created = v.object({ QueueUrl: v.string() });
export function createQueues(env: Environment, origin: () => string): Queues {
  const store = new ClockedQueues(env, origin);
  const app = buildApp({
    logger: false,
    stores: { sqsStore: store, snsStore: new SnsStore(), s3Store: new S3Store() },
  });

  async function forward(operation: keyof Requests, input: object): Promise<object> {
    const reply = await app.inject({
      method: 'POST',
      url: '/',
      headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${operation}` },
      payload: JSON.stringify(input),
    });
    const body: unknown = JSON.parse(reply.body);
    if (reply.statusCode === 200) return v.parse(v.looseObject({}), body);
    const { __type, message } = v.parse(Refusal, body);
    throw sqsError(__type.replace(/^.*#/, ''), message);
  }

  /** Each entry on its own: one that `check` refuses leaves the others alone. */
  async function forwardBatch<E extends { readonly Id: string }>(
    operation: keyof Requests,
    input: { readonly QueueUrl: string; readonly Entries: readonly E[] },
    check: (entry: E) => void,
  ) {
    checkBatch(input.Entries);
    const failed: object[] = [];
    const good = input.Entries.filter((entry) => {
      try {
        check(entry);
        return true;
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        failed.push({ Id: entry.Id, SenderFault: true, Code: error.code, Message: error.message });
        return false;
      }
    });
    if (good.length === 0) return { Successful: [], Failed: failed };
    const { Successful, Failed } = v.parse(Batched, await forward(operation, { ...input, Entries: good }));
    return { Successful, Failed: [...Failed, ...failed] };
  }

  function find(nameOrUrl: string): ClockedQueue {
    const queue = store.getQueue(nameOrUrl);
    if (queue === undefined) throw sqsError('QueueDoesNotExist', 'The specified queue does not exist.');
    return queue;
  }

  async function create(input: { readonly QueueName: string; readonly Attributes?: Record<string, string> }) {
    checkAttributes(input.QueueName, input.Attributes ?? {}, (arn) => store.getQueueByArn(arn) !== undefined);
    return v.parse(Created, await forward('CreateQueue', input));
  }

  const on = operationsOf<Requests>('sqs', (operation, input) => {
    const name = textIn(input, 'QueueName') ?? textIn(input, 'QueueUrl')?.split('/').at(-1) ?? '';
    return [{ action: `sqs:${operation.replace(/Batch$/, '')}`, resource: env.arn('sqs', name) }];
  });
  return {
    service: {
      name: 'sqs',
      protocol: 'json1.0',
      operations: [
        on('CreateQueue', create),
        on('GetQueueUrl', (input) => forward('GetQueueUrl', input)),
        on('GetQueueAttributes', (input) => {
          // Without names SQS tells nothing, fauxqs everything.
          const { AttributeNames = [] } = input;
          checkAttributeNames(AttributeNames);
          find(input.QueueUrl).processTimers();
          return forward('GetQueueAttributes', { ...input, AttributeNames });
        }),
        on('SendMessage', (input) => {
          checkIds(input);
          return forward('SendMessage', input);
        }),
        on('SendMessageBatch', (input) => forwardBatch('SendMessageBatch', input, checkIds)),
        // Without names SQS gives no attributes of a message, fauxqs all of them.
        on('ReceiveMessage', (input) => forward('ReceiveMessage', { MessageAttributeNames: ['-'], ...input })),
        on('DeleteMessage', (input) => {
          checkHandle(find(input.QueueUrl), input.ReceiptHandle);
          return forward('DeleteMessage', input);
        }),
        on('DeleteMessageBatch', (input) => {
          const queue = find(input.QueueUrl);
          return forwardBatch('DeleteMessageBatch', input, ({ ReceiptHandle }) => checkHandle(queue, ReceiptHandle));
        }),
      ],
    },
    state: {
      create: async (name, attributes) => (await create({ QueueName: name, Attributes: attributes })).QueueUrl,
      messages: (name) =>
        find(name)
          .all()
          .map(({ body, messageGroupId, approximateReceiveCount }) => ({
            body,
            groupId: messageGroupId,
            receiveCount: approximateReceiveCount,
          })),
      send(name, { body, groupId, deduplicationId }) {
        const queue = find(name);
        if (queue.checkDeduplication(deduplicationId).isDuplicate) return;
        const message = ClockedQueues.createMessage(body, {}, undefined, groupId, deduplicationId);
        message.sequenceNumber = queue.nextSequenceNumber();
        queue.recordDeduplication(deduplicationId, message.messageId, message.sequenceNumber);
        queue.enqueue(message);
      },
    },
    find,
    deadLetters: (arn) => store.getQueueByArn(arn),
    close: () => app.close(),
  };
}
