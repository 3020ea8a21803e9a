/** SQS, FIFO queues above all: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/ */
import type { Need } from '../wire/access.ts';
import type { Environment } from '../wire/environment.ts';
import { AwsError, operation, type Service } from '../wire/wire.ts';
import { attributesMd5, seenAttributes, systemAttributes } from './attributes.ts';
import { batch, batchError, checkBatch } from './batch.ts';
import { checkMessage, type MessageInput, messageBytes, parameter, shapes } from './shapes.ts';
import type { Queue, QueueStore } from './store.ts';

const MAX_BATCH_BYTES = 1_048_576;

export function createQueueService(env: Environment, store: QueueStore): Service {
  const { create, find, urlOf } = store;

  function send(queue: Queue, input: MessageInput) {
    checkMessage(queue.settings, Number(queue.attributes['MaximumMessageSize']), input);
    const { id, md5, sequenceNumber } = queue.messages.send({
      body: input.MessageBody,
      groupId: input.MessageGroupId,
      deduplicationId: input.MessageDeduplicationId,
      delaySeconds: input.DelaySeconds,
      ...(input.MessageAttributes && { attributes: input.MessageAttributes }),
      traceHeader: input.MessageSystemAttributes?.['AWSTraceHeader']?.StringValue,
    });
    return {
      MessageId: id,
      MD5OfMessageBody: md5,
      ...(input.MessageAttributes && { MD5OfMessageAttributes: attributesMd5(input.MessageAttributes) }),
      ...(queue.settings.fifo && { SequenceNumber: sequenceNumber }),
    };
  }

  function remove(queue: Queue, receiptHandle: string): void {
    const outcome = queue.messages.delete(receiptHandle);
    if (outcome === 'unknown') throw badHandle();
    if (outcome === 'expired') {
      throw parameter(
        `Value ${receiptHandle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`,
      );
    }
  }

  const need =
    (action: string) =>
    (input: { readonly QueueUrl: string }): readonly Need[] => [
      { action: `sqs:${action}`, resource: env.arn('sqs', input.QueueUrl.split('/').at(-1) ?? '') },
    ];
  const named =
    (action: string) =>
    (input: { readonly QueueName: string }): readonly Need[] => [
      { action: `sqs:${action}`, resource: env.arn('sqs', input.QueueName) },
    ];

  const operations: Service['operations'] = {
    CreateQueue: operation(shapes.createQueue, named('CreateQueue'), (input) => ({
      QueueUrl: urlOf(create(input.QueueName, input.Attributes).name),
    })),
    GetQueueUrl: operation(shapes.getQueueUrl, named('GetQueueUrl'), (input) => ({
      QueueUrl: urlOf(find(input.QueueName).name),
    })),
    ListQueues: operation(
      shapes.listQueues,
      () => [{ action: 'sqs:ListQueues', resource: '*' }],
      (input) => ({
        QueueUrls: store
          .names()
          .filter((name) => name.startsWith(input.QueueNamePrefix))
          .map(urlOf),
      }),
    ),
    GetQueueAttributes: operation(shapes.getQueueAttributes, need('GetQueueAttributes'), (input) => {
      const attributes = seenAttributes(find(input.QueueUrl), env.now());
      const all = input.AttributeNames.includes('All');
      return {
        Attributes: Object.fromEntries(
          Object.entries(attributes).filter(([key]) => all || input.AttributeNames.includes(key)),
        ),
      };
    }),
    SetQueueAttributes: operation(shapes.setQueueAttributes, need('SetQueueAttributes'), (input) => {
      const queue = find(input.QueueUrl);
      store.change(queue, input.Attributes);
    }),
    SendMessage: operation(shapes.sendMessage, need('SendMessage'), (input) => send(find(input.QueueUrl), input)),
    SendMessageBatch: operation(shapes.sendMessageBatch, need('SendMessage'), (input) => {
      const queue = find(input.QueueUrl);
      checkBatch(input.Entries, 'SendMessageBatchRequestEntry');
      const bytes = input.Entries.reduce((sum, entry) => sum + messageBytes(entry), 0);
      if (bytes > MAX_BATCH_BYTES) {
        throw batchError(
          'BatchRequestTooLong',
          `Batch requests cannot be longer than ${MAX_BATCH_BYTES} bytes. You have sent ${bytes} bytes.`,
        );
      }
      return batch(input.Entries, 'SendMessageBatchRequestEntry', (entry) => send(queue, entry));
    }),
    ReceiveMessage: operation(shapes.receiveMessage, need('ReceiveMessage'), (input) => {
      const queue = find(input.QueueUrl);
      // `WaitTimeSeconds` is checked, but never waited for: the clock may be standing still.
      const {
        MaxNumberOfMessages: max,
        WaitTimeSeconds: wait,
        VisibilityTimeout = queue.settings.visibilitySeconds,
      } = input;
      if (max < 1 || max > 10) throw range('MaxNumberOfMessages', max, 1, 10);
      if (wait < 0 || wait > 20) throw range('WaitTimeSeconds', wait, 0, 20);
      if (VisibilityTimeout < 0 || VisibilityTimeout > 43_200)
        throw range('VisibilityTimeout', VisibilityTimeout, 0, 43_200);
      const wanted = [...input.AttributeNames, ...input.MessageSystemAttributeNames];
      const messages = queue.messages.receive(max, VisibilityTimeout).map((message) => {
        const attributes = Object.entries(systemAttributes(env, message)).filter(
          ([key]) => wanted.includes('All') || wanted.includes(key),
        );
        const custom = Object.entries(message.attributes ?? {}).filter(([key]) =>
          asked(input.MessageAttributeNames, key),
        );
        return {
          MessageId: message.id,
          ReceiptHandle: message.receiptHandle,
          MD5OfBody: message.md5,
          Body: message.body,
          ...(attributes.length > 0 && { Attributes: Object.fromEntries(attributes) }),
          ...(custom.length > 0 && {
            MessageAttributes: Object.fromEntries(custom),
            MD5OfMessageAttributes: attributesMd5(Object.fromEntries(custom)),
          }),
        };
      });
      return messages.length > 0 ? { Messages: messages } : {};
    }),
    DeleteMessage: operation(shapes.deleteMessage, need('DeleteMessage'), (input) =>
      remove(find(input.QueueUrl), input.ReceiptHandle),
    ),
    DeleteMessageBatch: operation(shapes.deleteMessageBatch, need('DeleteMessage'), (input) => {
      const queue = find(input.QueueUrl);
      return batch(input.Entries, 'DeleteMessageBatchRequestEntry', (entry) => {
        remove(queue, entry.ReceiptHandle);
        return {};
      });
    }),
    ChangeMessageVisibility: operation(shapes.changeMessageVisibility, need('ChangeMessageVisibility'), (input) => {
      const { VisibilityTimeout: timeout } = input;
      if (timeout < 0 || timeout > 43_200) throw range('VisibilityTimeout', timeout, 0, 43_200);
      const outcome = find(input.QueueUrl).messages.setVisibility(input.ReceiptHandle, timeout);
      if (outcome === 'unknown') throw badHandle();
      if (outcome === 'not-in-flight') {
        throw new AwsError(
          'MessageNotInflight',
          'The message is not in flight.',
          400,
          'AWS.SimpleQueueService.MessageNotInflight',
        );
      }
    }),
    PurgeQueue: operation(shapes.queueOnly, need('PurgeQueue'), (input) => find(input.QueueUrl).messages.purge()),
    DeleteQueue: operation(shapes.queueOnly, need('DeleteQueue'), (input) => {
      store.remove(find(input.QueueUrl));
    }),
  };

  return { name: 'sqs', protocol: 'json1.0', operations };
}

function asked(names: readonly string[], key: string): boolean {
  return names.some(
    (name) => name === 'All' || name === key || (name.endsWith('.*') && key.startsWith(name.slice(0, -1))),
  );
}

function range(name: string, value: number, min: number, max: number): AwsError {
  return parameter(
    `Value ${value} for parameter ${name} is invalid. Reason: Must be between ${min} and ${max}, if provided.`,
  );
}

function badHandle(): AwsError {
  return new AwsError('ReceiptHandleIsInvalid', 'The input receipt handle is invalid.');
}
