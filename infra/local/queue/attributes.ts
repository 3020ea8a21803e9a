/** What SQS tells of a queue and of a message beside its body. */
import { createHash } from 'node:crypto';
import type { Environment } from '../wire/environment.ts';
import type { MessageAttribute, QueuedMessage } from './messages.ts';
import type { Queue } from './store.ts';

/** What a receiver may ask to know; all strings, times in milliseconds. */
export function systemAttributes(env: Environment, message: QueuedMessage): Record<string, string> {
  return {
    ApproximateReceiveCount: String(message.receiveCount),
    SentTimestamp: String(message.sentAt),
    ...(message.groupId !== undefined && { SequenceNumber: message.sequenceNumber, MessageGroupId: message.groupId }),
    SenderId: `AROALOCAL:${env.accountId}`,
    ...(message.deduplicationId !== undefined && { MessageDeduplicationId: message.deduplicationId }),
    ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt),
    ...(message.traceHeader !== undefined && { AWSTraceHeader: message.traceHeader }),
    ...(message.deadLetterSource !== undefined && { DeadLetterQueueSourceArn: message.deadLetterSource }),
  };
}

export function seenAttributes(queue: Queue, now: Date): Record<string, string> {
  const messages = queue.messages.all();
  const inFlight = messages.filter(
    ({ visibleAt, receiptHandle }) => receiptHandle !== undefined && visibleAt > now.getTime(),
  );
  const delayed = messages.filter(
    ({ visibleAt, receiptHandle }) => receiptHandle === undefined && visibleAt > now.getTime(),
  );
  const created = String(Math.floor(queue.createdAt.getTime() / 1000));
  return {
    ...queue.attributes,
    QueueArn: queue.arn,
    ApproximateNumberOfMessages: String(messages.length - inFlight.length - delayed.length),
    ApproximateNumberOfMessagesNotVisible: String(inFlight.length),
    ApproximateNumberOfMessagesDelayed: String(delayed.length),
    CreatedTimestamp: created,
    LastModifiedTimestamp: created,
  };
}

/** As AWS documents it: names in order, each part preceded by its length. */
export function attributesMd5(attributes: Readonly<Record<string, MessageAttribute>>): string {
  const hash = createHash('md5');
  const add = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  for (const name of Object.keys(attributes).sort()) {
    const { DataType = '', StringValue, BinaryValue = '' } = attributes[name] ?? {};
    add(Buffer.from(name));
    add(Buffer.from(DataType));
    hash.update(Buffer.from([StringValue === undefined ? 2 : 1]));
    add(StringValue === undefined ? Buffer.from(BinaryValue, 'base64') : Buffer.from(StringValue));
  }
  return hash.digest('hex');
}
