// fauxqs lets its stores be given, but does not export what they are made of. A minor version may move it: package.json pins one.
import { SqsQueue, SqsStore } from '../../../node_modules/fauxqs/dist/sqs/sqsStore.js';
import type { Environment } from '../wire/operation.ts';
import { AwsError } from '../wire/replies.ts';

type DeadLetters = (arn: string) => SqsQueue | undefined;
type Message = Parameters<SqsQueue['enqueue']>[0];

/** Milliseconds for which a deduplication id is remembered. */
const DEDUPLICATION = 5 * 60 * 1000;

/**
 * A queue of fauxqs, and what that lacks beside SQS:
 * - The clock. fauxqs reads `Date.now()` and cannot be told otherwise; but it can only judge the dates that stand in the queue. So the end of
 *   every visibility is kept here, by the world's clock: to fauxqs a message is in flight for ever, until it ended long ago.
 * - The retention: fauxqs keeps messages for ever.
 * - Batches: SQS fills one with as many messages of a group as it can, fauxqs gives out one of each group.
 */
export class ClockedQueue extends SqsQueue {
  readonly #now: () => number;
  /** By receipt handle, when its message is to be seen again. */
  readonly #visibleAt = new Map<string, number>();
  readonly #deleted = new Set<string>();
  readonly #sent = new Map<string, { readonly at: number; readonly id: string; readonly sequenceNumber: string }>();

  constructor({ now }: Environment, ...queue: ConstructorParameters<typeof SqsQueue>) {
    super(...queue);
    this.#now = () => now().getTime();
  }

  /** Sent, or given up by another queue: a FIFO queue counts the age of either from here. */
  override enqueue(message: Message): void {
    message.sentTimestamp = this.#now();
    // fauxqs counts the receive at which it gave the message up.
    if (message.approximateReceiveCount > 0) message.approximateReceiveCount -= 1;
    super.enqueue(message);
  }

  override dequeue(max: number, visibilitySeconds = this.#seconds('VisibilityTimeout'), deadLetters?: DeadLetters) {
    const batch: ReturnType<SqsQueue['dequeue']> = [];
    const groups = new Map<string, number>();
    while (batch.length < max) {
      const [received] = super.dequeue(1, visibilitySeconds, deadLetters);
      if (received === undefined) break;
      batch.push(received);
      const message = this.messageOf(received.ReceiptHandle);
      if (message?.approximateReceiveCount === 1) message.approximateFirstReceiveTimestamp = this.#now();
      // The lock is taken off the group until the batch is full.
      const group = message?.messageGroupId ?? '';
      groups.set(group, (groups.get(group) ?? 0) + 1);
      this.fifoLockedGroups.delete(group);
    }
    if (this.isFifo()) for (const [group, count] of groups) this.fifoLockedGroups.set(group, count);
    for (const { ReceiptHandle } of batch) this.#visibleAt.set(ReceiptHandle, this.#now() + visibilitySeconds * 1000);
    return batch;
  }

  override processTimers(): void {
    const now = this.#now();
    for (const [handle, entry] of this.inflightMessages) {
      const visibleAt = this.#visibleAt.get(handle);
      entry.visibilityDeadline = visibleAt !== undefined && visibleAt <= now ? 0 : Number.POSITIVE_INFINITY;
    }
    super.processTimers();
    const oldest = now - this.#seconds('MessageRetentionPeriod') * 1000;
    const isKept = ({ sentTimestamp }: Message) => sentTimestamp > oldest;
    for (const [handle, { message }] of this.inflightMessages) if (!isKept(message)) super.deleteMessage(handle);
    this.messages = this.messages.filter(isKept);
    for (const [group, messages] of this.fifoMessages) {
      const kept = messages.filter(isKept).toSorted(bySequence);
      if (kept.length > 0) this.fifoMessages.set(group, kept);
      else this.fifoMessages.delete(group);
    }
  }

  override deleteMessage(receiptHandle: string): boolean {
    this.processTimers();
    const isDeleted = super.deleteMessage(receiptHandle);
    if (isDeleted) this.#deleted.add(receiptHandle);
    return isDeleted;
  }

  /** `deleted` before, `expired`: visible again for others, `unknown`: never given out. fauxqs takes any for good. */
  handle(receiptHandle: string): 'in flight' | 'deleted' | 'expired' | 'unknown' {
    this.processTimers();
    if (this.inflightMessages.has(receiptHandle)) return 'in flight';
    if (this.#deleted.has(receiptHandle)) return 'deleted';
    return this.#visibleAt.has(receiptHandle) ? 'expired' : 'unknown';
  }

  override checkDeduplication(id: string) {
    const before = this.#sent.get(id);
    if (before === undefined || this.#now() - before.at >= DEDUPLICATION) return { isDuplicate: false };
    return { isDuplicate: true, originalMessageId: before.id, originalSequenceNumber: before.sequenceNumber };
  }

  override recordDeduplication(deduplicationId: string, id: string, sequenceNumber = ''): void {
    this.#sent.set(deduplicationId, { at: this.#now(), id, sequenceNumber });
  }

  override async waitForMessages(): Promise<void> {
    // A long poll would wait by the machine's clock for what the world's may never bring.
  }

  /** What is in flight under that handle. */
  messageOf(receiptHandle: string): Message | undefined {
    return this.inflightMessages.get(receiptHandle)?.message;
  }

  /** Everything in the queue, in the order of sending, in flight or not. */
  all(): readonly Message[] {
    this.processTimers();
    const { ready, inflight } = this.inspectMessages();
    return [...ready, ...inflight.map(({ message }) => message)].toSorted(bySequence);
  }

  #seconds(attribute: string): number {
    return Number(this.attributes[attribute]);
  }
}

function bySequence({ sequenceNumber: a = '' }: Message, { sequenceNumber: b = '' }: Message): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The queues by name: fauxqs knows one account alone, which is not ours. */
export class ClockedQueues extends SqsStore {
  readonly #env: Environment;
  readonly #origin: () => string;
  readonly #byName = new Map<string, ClockedQueue>();

  constructor(env: Environment, origin: () => string) {
    super();
    this.#env = env;
    this.#origin = origin;
  }

  override createQueue(name: string, _url: string, _arn: string, attributes?: Record<string, string>): SqsQueue {
    const url = `${this.#origin()}/${this.#env.accountId}/${name}`;
    const queue = new ClockedQueue(this.#env, name, url, this.#env.arn('sqs', name), attributes);
    this.#byName.set(name, queue);
    return queue;
  }

  override getQueue(nameOrUrl: string): ClockedQueue | undefined {
    return this.#byName.get(nameOrUrl.slice(nameOrUrl.lastIndexOf('/') + 1));
  }

  override getQueueByArn(arn: string): ClockedQueue | undefined {
    return this.#byName.get(arn.slice(arn.lastIndexOf(':') + 1));
  }

  /** @throws QueueDoesNotExist */
  find(nameOrUrl: string): ClockedQueue {
    const queue = this.getQueue(nameOrUrl);
    if (queue === undefined) throw sqsError('QueueDoesNotExist', 'The specified queue does not exist.');
    return queue;
  }
}

/** What SQS called these in the protocol that it spoke before, where that is not the same name with its prefix. */
const OLD_CODES: Readonly<Record<string, string>> = {
  InvalidAttributeName: 'InvalidAttributeName',
  InvalidParameterValue: 'InvalidParameterValue',
  MissingParameter: 'MissingParameter',
  QueueDoesNotExist: 'AWS.SimpleQueueService.NonExistentQueue',
  ReceiptHandleIsInvalid: 'ReceiptHandleIsInvalid',
};

export function sqsError(code: string, message: string): AwsError {
  return new AwsError(code, message, 400, OLD_CODES[code] ?? `AWS.SimpleQueueService.${code}`);
}
