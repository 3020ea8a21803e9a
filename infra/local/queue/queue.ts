/**
 * SQS: fauxqs behind our own server, so that its requests are recorded, permitted and broken as everyone's are. It is spoken to without a
 * socket, so it listens nowhere. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
 */
import * as sdk from '@aws-sdk/client-sqs';
import { buildApp } from 'fauxqs';
import * as v from 'valibot';
import { S3Store } from '../../../node_modules/fauxqs/dist/s3/s3Store.js';
import { SnsStore } from '../../../node_modules/fauxqs/dist/sns/snsStore.js';
import { type Environment, serviceOf, textIn } from '../wire/operation.ts';
import type { AwsError } from '../wire/replies.ts';
import { ClockedQueues, sqsError } from './clocked-queue.ts';

const Refusal = v.object({ __type: v.string(), message: v.string() });
const Batched = v.object({ Successful: v.array(v.unknown()), Failed: v.array(v.looseObject({ Id: v.string() })) });

/** `origin` gives the server's address, which is known only once it listens. */
export function createQueues(env: Environment, origin: () => string) {
  const queues = new ClockedQueues(env, origin);
  const app = buildApp({
    logger: false,
    stores: { sqsStore: queues, snsStore: new SnsStore(), s3Store: new S3Store() },
  });

  async function forward(operation: string, input: object): Promise<unknown> {
    const reply = await app.inject({
      method: 'POST',
      url: '/',
      headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${operation}` },
      payload: JSON.stringify(input),
    });
    const body: unknown = JSON.parse(reply.body);
    if (reply.statusCode === 200) return body;
    const { __type, message } = v.parse(Refusal, body);
    throw sqsError(__type.replace(/^.*#/, ''), message);
  }

  function needs(operation: string, input: object) {
    const name = textIn(input, 'QueueName') ?? textIn(input, 'QueueUrl')?.split('/').at(-1) ?? '';
    return [{ action: `sqs:${operation.replace(/Batch$/, '')}`, resource: env.arn('sqs', name) }];
  }

  const service = serviceOf<typeof sdk>(env, { name: 'sqs', protocol: 'json1.0' }, needs, {
    GetQueueUrl: (input) => ({ QueueUrl: queues.find(input.QueueName).url }),

    GetQueueAttributes(input) {
      // Without names SQS tells nothing, fauxqs everything.
      const { AttributeNames = [] } = input;
      const unknown = AttributeNames.find((name) => !Object.values(sdk.QueueAttributeName).includes(name));
      if (unknown !== undefined) throw sqsError('InvalidAttributeName', `Unknown Attribute ${unknown}.`);
      queues.find(input.QueueUrl).processTimers();
      return forward('GetQueueAttributes', { ...input, AttributeNames });
    },

    SendMessage(input) {
      const refusal = wrongId(input);
      if (refusal !== undefined) throw refusal;
      return forward('SendMessage', input);
    },

    /** Each entry on its own: one that is refused leaves the others alone. */
    async SendMessageBatch(input) {
      const refusals = new Map(input.Entries.map((entry) => [entry.Id, wrongId(entry)]));
      // fauxqs judges the batch as a whole, and refuses an entry without a group.
      const Entries = input.Entries.map((entry) =>
        refusals.get(entry.Id) === undefined ? entry : { ...entry, MessageGroupId: undefined },
      );
      const { Successful, Failed } = v.parse(Batched, await forward('SendMessageBatch', { ...input, Entries }));
      const inOurWords = Failed.map((failed) => {
        const refusal = refusals.get(failed.Id);
        return refusal === undefined ? failed : { ...failed, Code: refusal.code, Message: refusal.message };
      });
      return { Successful, Failed: inOurWords };
    },

    // Without names SQS gives no attributes of a message, fauxqs all of them.
    ReceiveMessage: (input) => forward('ReceiveMessage', { MessageAttributeNames: ['-'], ...input }),

    /** Only what was deleted before may be deleted again: who comes too late may not take away what another works on by now. */
    DeleteMessage(input) {
      const state = queues.find(input.QueueUrl).handle(input.ReceiptHandle);
      if (state === 'unknown') throw sqsError('ReceiptHandleIsInvalid', 'The input receipt handle is invalid.');
      if (state === 'expired') throw invalid('ReceiptHandle', input.ReceiptHandle, 'The receipt handle has expired.');
      return forward('DeleteMessage', input);
    },
  });

  /** For tests and the world: no permissions, no faults. */
  const state = {
    /** Attributes as SQS names them (`VisibilityTimeout`, `RedrivePolicy`, …). Returns the queue's URL. */
    create: (name: string, attributes: Record<string, string>) => queues.createQueue(name, '', '', attributes).url,
    /** Everything in the queue, in order, in flight or not. */
    messages: (name: string) =>
      queues
        .find(name)
        .all()
        .map(({ body, messageGroupId: groupId, approximateReceiveCount: receiveCount }) => ({
          body,
          groupId,
          receiveCount,
        })),
    /** Deletes all messages, as PurgeQueue does. */
    purge: (name: string) => queues.find(name).purge(),
    /** Puts a message into a queue, at once. */
    send(name: string, message: { body: string; groupId: string | undefined; deduplicationId: string }): void {
      const { body, groupId, deduplicationId } = message;
      const queue = queues.find(name);
      if (queue.checkDeduplication(deduplicationId).isDuplicate) return;
      const sent = ClockedQueues.createMessage(body, {}, undefined, groupId, deduplicationId);
      sent.sequenceNumber = queue.nextSequenceNumber();
      queue.recordDeduplication(deduplicationId, sent.messageId, sent.sequenceNumber);
      queue.enqueue(sent);
    },
  };

  return { service, state, queues, close: () => app.close() };
}

/** What SQS refuses and fauxqs lets pass. */
function wrongId(message: { readonly MessageGroupId?: string; readonly MessageDeduplicationId?: string }) {
  const { MessageGroupId, MessageDeduplicationId } = message;
  const wrong = Object.entries({ MessageGroupId, MessageDeduplicationId }).find(
    ([, id]) => id !== undefined && !/^[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]{1,128}$/.test(id),
  );
  if (wrong === undefined) return undefined;
  const [name, id = ''] = wrong;
  return invalid(name, id, `${name} can only include alphanumeric and punctuation characters. 1 to 128 in length.`);
}

function invalid(parameter: string, value: string, reason: string): AwsError {
  return sqsError('InvalidParameterValue', `Value ${value} for parameter ${parameter} is invalid. Reason: ${reason}`);
}
