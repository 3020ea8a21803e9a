/** The request shapes of SQS, and the attributes that a queue can be given. */
import * as v from 'valibot';
import { AwsError } from '../wire/wire.ts';
import type { QueueSettings } from './messages.ts';

const QueueUrl = v.string();
const message = {
  MessageBody: v.string(),
  DelaySeconds: v.optional(v.number()),
  MessageAttributes: v.optional(
    v.record(
      v.string(),
      v.object({ DataType: v.string(), StringValue: v.optional(v.string()), BinaryValue: v.optional(v.string()) }),
    ),
  ),
  MessageSystemAttributes: v.optional(v.record(v.string(), v.object({ StringValue: v.optional(v.string()) }))),
  MessageDeduplicationId: v.optional(v.string()),
  MessageGroupId: v.optional(v.string()),
};
const Attributes = v.optional(v.record(v.string(), v.string()), {});

export const shapes = {
  queueOnly: v.object({ QueueUrl }),
  createQueue: v.object({ QueueName: v.string(), Attributes }),
  getQueueUrl: v.object({ QueueName: v.string() }),
  listQueues: v.object({ QueueNamePrefix: v.optional(v.string(), '') }),
  getQueueAttributes: v.object({ QueueUrl, AttributeNames: v.optional(v.array(v.string()), []) }),
  setQueueAttributes: v.object({ QueueUrl, Attributes }),
  sendMessage: v.object({ QueueUrl, ...message }),
  sendMessageBatch: v.object({ QueueUrl, Entries: v.array(v.object({ Id: v.string(), ...message })) }),
  receiveMessage: v.object({
    QueueUrl,
    AttributeNames: v.optional(v.array(v.string()), []),
    MessageSystemAttributeNames: v.optional(v.array(v.string()), []),
    MessageAttributeNames: v.optional(v.array(v.string()), []),
    MaxNumberOfMessages: v.optional(v.number(), 1),
    VisibilityTimeout: v.optional(v.number()),
    WaitTimeSeconds: v.optional(v.number(), 0),
  }),
  deleteMessage: v.object({ QueueUrl, ReceiptHandle: v.string() }),
  deleteMessageBatch: v.object({ QueueUrl, Entries: v.array(v.object({ Id: v.string(), ReceiptHandle: v.string() })) }),
  changeMessageVisibility: v.object({ QueueUrl, ReceiptHandle: v.string(), VisibilityTimeout: v.number() }),
};

export type MessageInput = Omit<v.InferOutput<typeof shapes.sendMessage>, 'QueueUrl'>;

const NUMBERS: Readonly<Record<string, readonly [min: number, max: number, initial: number]>> = {
  DelaySeconds: [0, 900, 0],
  MaximumMessageSize: [1024, 1_048_576, 1_048_576],
  MessageRetentionPeriod: [60, 1_209_600, 345_600],
  ReceiveMessageWaitTimeSeconds: [0, 20, 0],
  VisibilityTimeout: [0, 43_200, 30],
};
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  FifoQueue: ['true'],
  ContentBasedDeduplication: ['true', 'false'],
  DeduplicationScope: ['queue', 'messageGroup'],
  FifoThroughputLimit: ['perQueue', 'perMessageGroupId'],
  SqsManagedSseEnabled: ['true', 'false'],
};
const FREE = ['Policy', 'RedrivePolicy', 'RedriveAllowPolicy', 'KmsMasterKeyId', 'KmsDataKeyReusePeriodSeconds'];

const redrivePolicy = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    deadLetterTargetArn: v.string(),
    // CloudFormation and the CLI send it as a string as often as not.
    maxReceiveCount: v.pipe(
      v.union([v.string(), v.number()]),
      v.transform(Number),
      v.integer(),
      v.minValue(1),
      v.maxValue(1000),
    ),
  }),
);

/** The attributes with their defaults filled in. @throws InvalidAttributeName, InvalidAttributeValue */
export function checkedAttributes(name: string, given: Readonly<Record<string, string>>): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [key, [, , initial]] of Object.entries(NUMBERS)) attributes[key] = String(initial);
  for (const [key, value] of Object.entries(given)) {
    const range = NUMBERS[key];
    const choices = CHOICES[key];
    if (range === undefined && choices === undefined && !FREE.includes(key)) {
      throw new AwsError('InvalidAttributeName', `Unknown Attribute ${key}.`);
    }
    const inRange =
      range === undefined || (/^\d+$/.test(value) && Number(value) >= range[0] && Number(value) <= range[1]);
    if (!inRange || (choices !== undefined && !choices.includes(value))) {
      throw new AwsError('InvalidAttributeValue', `Invalid value for the parameter ${key}.`);
    }
    attributes[key] = value;
  }
  const fifo = attributes['FifoQueue'] === 'true';
  const stem = fifo ? name.replace(/\.fifo$/, '') : name;
  if (!/^[A-Za-z0-9_-]+$/.test(stem) || name.length > 80 || fifo !== name.endsWith('.fifo')) {
    throw parameter(
      'The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.',
    );
  }
  if (!fifo && ['ContentBasedDeduplication', 'DeduplicationScope', 'FifoThroughputLimit'].some((key) => key in given)) {
    throw new AwsError('InvalidAttributeName', 'You can specify this attribute only when FifoQueue is true.');
  }
  return attributes;
}

export function settingsOf(attributes: Readonly<Record<string, string>>): QueueSettings {
  const seconds = (key: string) => Number(attributes[key]);
  return {
    fifo: attributes['FifoQueue'] === 'true',
    contentBasedDeduplication: attributes['ContentBasedDeduplication'] === 'true',
    deduplicationScope: attributes['DeduplicationScope'] ?? 'queue',
    visibilitySeconds: seconds('VisibilityTimeout'),
    delaySeconds: seconds('DelaySeconds'),
    retentionSeconds: seconds('MessageRetentionPeriod'),
    maxReceiveCount: redriveOf(attributes)?.maxReceiveCount,
  };
}

/** @throws InvalidParameterValue for what is no redrive policy. */
export function redriveOf(attributes: Readonly<Record<string, string>>) {
  const value = attributes['RedrivePolicy'];
  if (value === undefined || value === '') return undefined;
  const parsed = v.safeParse(redrivePolicy, value);
  if (!parsed.success)
    throw parameter(
      `Value ${value} for parameter RedrivePolicy is invalid. Reason: Redrive policy is not a valid JSON map.`,
    );
  return parsed.output;
}

const ID = /^[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]{1,128}$/;
/** What XML 1.0 allows. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: tab, line feed and carriage return are the allowed ones.
const BODY = /^[\u0009\u000A\u000D\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u;

export function checkMessage(settings: QueueSettings, maxBytes: number, input: MessageInput): void {
  const {
    MessageBody: body,
    MessageGroupId: group,
    MessageDeduplicationId: deduplication,
    DelaySeconds: delay,
  } = input;
  if (body === '') throw new AwsError('MissingParameter', 'The request must contain the parameter MessageBody.');
  if (!BODY.test(body))
    throw new AwsError('InvalidMessageContents', 'The message contains characters outside the allowed set.');
  if (messageBytes(input) > maxBytes) {
    throw parameter(`One or more parameters are invalid. Reason: Message must be shorter than ${maxBytes} bytes.`);
  }
  if (group !== undefined && !ID.test(group)) throw idRefused('MessageGroupId', group);
  if (!settings.fifo) {
    if (deduplication !== undefined) throw wrongQueueType('MessageDeduplicationId', deduplication);
    if (delay !== undefined && (delay < 0 || delay > 900)) {
      throw parameter(
        `Value ${delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.`,
      );
    }
    return;
  }
  if (group === undefined)
    throw new AwsError('MissingParameter', 'The request must contain the parameter MessageGroupId.');
  if (deduplication !== undefined && !ID.test(deduplication)) throw idRefused('MessageDeduplicationId', deduplication);
  if (deduplication === undefined && !settings.contentBasedDeduplication) {
    throw parameter(
      'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
    );
  }
  if (delay !== undefined && delay !== 0) throw wrongQueueType('DelaySeconds', String(delay));
}

/** The body and every attribute's name, type and value count. */
export function messageBytes({ MessageBody, MessageAttributes = {} }: MessageInput): number {
  const attributes = Object.entries(MessageAttributes).map(
    ([name, { DataType, StringValue = '', BinaryValue = '' }]) =>
      Buffer.byteLength(name + DataType + StringValue) + Buffer.from(BinaryValue, 'base64').length,
  );
  return attributes.reduce((sum, bytes) => sum + bytes, Buffer.byteLength(MessageBody));
}

function idRefused(name: string, value: string): AwsError {
  return parameter(
    `Value ${value} for parameter ${name} is invalid. Reason: ${name} can only include alphanumeric and punctuation characters. 1 to 128 in length.`,
  );
}

function wrongQueueType(name: string, value: string): AwsError {
  return parameter(
    `Value ${value} for parameter ${name} is invalid. Reason: The request include parameter that is not valid for this queue type.`,
  );
}

export function parameter(message: string): AwsError {
  return new AwsError('InvalidParameterValue', message);
}
