/** What SQS refuses and fauxqs lets pass. */
import { QueueAttributeName } from '@aws-sdk/client-sqs';
import * as v from 'valibot';
import { AwsError } from '../wire/error.ts';
import type { ClockedQueue } from './clocked-queue.ts';

/** What SQS called these in the protocol that it spoke before, where that is not the same name with its prefix. */
const OLD_CODES: Readonly<Record<string, string>> = {
  InvalidAttributeName: 'InvalidAttributeName',
  InvalidAttributeValue: 'InvalidAttributeValue',
  InvalidParameterValue: 'InvalidParameterValue',
  MissingParameter: 'MissingParameter',
  QueueDoesNotExist: 'AWS.SimpleQueueService.NonExistentQueue',
  QueueNameExists: 'QueueAlreadyExists',
  ReceiptHandleIsInvalid: 'ReceiptHandleIsInvalid',
};

export function sqsError(code: string, message: string): AwsError {
  return new AwsError(code, message, 400, OLD_CODES[code] ?? `AWS.SimpleQueueService.${code}`);
}

function invalid(message: string): AwsError {
  return sqsError('InvalidParameterValue', message);
}

/** Of a message group, and of a deduplication. */
const ID = /^[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]{1,128}$/;

export function checkIds(message: {
  readonly MessageGroupId?: string;
  readonly MessageDeduplicationId?: string;
}): void {
  const { MessageGroupId, MessageDeduplicationId } = message;
  for (const [name, id] of Object.entries({ MessageGroupId, MessageDeduplicationId })) {
    if (id === undefined || ID.test(id)) continue;
    throw invalid(
      `Value ${id} for parameter ${name} is invalid. Reason: ${name} can only include alphanumeric and punctuation characters. 1 to 128 in length.`,
    );
  }
}

/** Before the entries one by one: what is wrong with all of them together. fauxqs knows the rest. */
export function checkBatch(entries: readonly { readonly Id: string }[]): void {
  const ids = entries.map(({ Id }) => Id);
  const repeated = ids.find((id, index) => ids.indexOf(id) !== index);
  if (repeated !== undefined) throw sqsError('BatchEntryIdsNotDistinct', `Id ${repeated} repeated.`);
  if (ids.some((id) => id.length > 80)) {
    throw sqsError('InvalidBatchEntryId', 'A batch entry id can be at most 80 letters long.');
  }
  if (ids.length > 10) {
    const message = `Maximum number of entries per request are 10. You have sent ${ids.length}.`;
    throw sqsError('TooManyEntriesInBatchRequest', message);
  }
  if (ids.length === 0) throw sqsError('EmptyBatchRequest', 'There should be at least one entry in the request.');
}

/** Only what was deleted before may be deleted again: who comes too late may not take away what another works on by now. */
export function checkHandle(queue: ClockedQueue, receiptHandle: string): void {
  const state = queue.handle(receiptHandle);
  if (state === 'unknown') throw sqsError('ReceiptHandleIsInvalid', 'The input receipt handle is invalid.');
  if (state === 'expired') {
    throw invalid(
      `Value ${receiptHandle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`,
    );
  }
}

/** Those that the local queue lives by, and those that change nothing here. fauxqs takes all others and acts on few. */
const ATTRIBUTES = [
  'FifoQueue',
  'ContentBasedDeduplication',
  'VisibilityTimeout',
  'MessageRetentionPeriod',
  'MaximumMessageSize',
  'RedrivePolicy',
  'RedriveAllowPolicy',
  'KmsMasterKeyId',
  'Policy',
];

const RedrivePolicy = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    deadLetterTargetArn: v.string(),
    maxReceiveCount: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000)),
  }),
);

export function checkAttributeNames(names: readonly string[]): void {
  const unknown = names.find((name) => !Object.values<string>(QueueAttributeName).includes(name));
  if (unknown !== undefined) throw sqsError('InvalidAttributeName', `Unknown Attribute ${unknown}.`);
}

/** FIFO queues alone: the product sends to no other. */
export function checkAttributes(
  name: string,
  attributes: Readonly<Record<string, string>>,
  exists: (arn: string) => boolean,
): void {
  if (!/^[A-Za-z0-9_-]{1,75}\.fifo$/.test(name) || attributes['FifoQueue'] !== 'true') {
    throw invalid(
      'The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.',
    );
  }
  for (const key of Object.keys(attributes)) {
    if (!ATTRIBUTES.includes(key)) throw sqsError('InvalidAttributeName', `Unknown Attribute ${key}.`);
  }
  const { RedrivePolicy: policy } = attributes;
  if (policy === undefined) return;
  const redrive = v.safeParse(RedrivePolicy, policy);
  const reason = redrive.success ? 'Dead letter target does not exist.' : 'Redrive policy is not a valid JSON map.';
  if (redrive.success && exists(redrive.output.deadLetterTargetArn)) return;
  throw invalid(`Value ${policy} for parameter RedrivePolicy is invalid. Reason: ${reason}`);
}
