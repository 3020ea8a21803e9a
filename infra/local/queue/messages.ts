/** What is in one queue: order, groups, deduplication, visibility and the way to the dead-letter queue. */
import { createHash, randomUUID } from 'node:crypto';

export interface QueueSettings {
  fifo: boolean;
  contentBasedDeduplication: boolean;
  /** `messageGroup` lets a deduplication id be used once in each group; `queue`, once in the queue. */
  deduplicationScope: string;
  visibilitySeconds: number;
  delaySeconds: number;
  retentionSeconds: number;
  maxReceiveCount: number | undefined;
}

/** `BinaryValue` is base64. */
export interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue?: string | undefined;
  readonly BinaryValue?: string | undefined;
}

export interface NewMessage {
  readonly body: string;
  readonly groupId?: string | undefined;
  readonly deduplicationId?: string | undefined;
  readonly delaySeconds?: number | undefined;
  readonly attributes?: Readonly<Record<string, MessageAttribute>>;
  readonly traceHeader?: string | undefined;
}

export interface QueuedMessage extends NewMessage {
  readonly id: string;
  readonly md5: string;
  readonly sequenceNumber: string;
  readonly sentAt: number;
  /** Not to be received before this time: a delay, or a receiver that still has it. */
  visibleAt: number;
  receiveCount: number;
  firstReceivedAt: number | undefined;
  /** Of the last receive; older ones are worthless. */
  receiptHandle: string | undefined;
  readonly deadLetterSource: string | undefined;
}

export interface QueueMessages {
  /** A duplicate is accepted with the first one's id, and goes nowhere. */
  send(message: NewMessage): { readonly id: string; readonly md5: string; readonly sequenceNumber: string };
  receive(max: number, visibilitySeconds: number): readonly QueuedMessage[];
  /** `gone` was deleted before, `expired` is visible again for others, `unknown` was never given out. */
  delete(receiptHandle: string): 'deleted' | 'gone' | 'expired' | 'unknown';
  setVisibility(receiptHandle: string, seconds: number): 'set' | 'not-in-flight' | 'unknown';
  all(): readonly QueuedMessage[];
  purge(): void;
  /** Takes in what another queue gave up. A FIFO queue counts its age anew. */
  take(message: QueuedMessage, source: string): void;
}

const DEDUPLICATION = 5 * 60 * 1000;
let sequence = 18_880_000_000_000_000_000n;

export function createQueueMessages(
  settings: QueueSettings,
  now: () => Date,
  giveUp: (message: QueuedMessage) => void,
): QueueMessages {
  let messages: QueuedMessage[] = [];
  const sent = new Map<string, { readonly at: number; readonly id: string; readonly sequenceNumber: string }>();
  const handles = new Map<string, QueuedMessage>();

  const time = () => now().getTime();
  const inFlight = (message: QueuedMessage) => message.receiptHandle !== undefined && message.visibleAt > time();
  const remove = (message: QueuedMessage) => {
    messages = messages.filter((one) => one !== message);
  };
  const dropExpired = () => {
    const oldest = time() - settings.retentionSeconds * 1000;
    messages = messages.filter(({ sentAt }) => sentAt > oldest);
  };

  const queue: QueueMessages = {
    send(message) {
      const deduplicationId =
        message.deduplicationId ??
        (settings.contentBasedDeduplication ? createHash('sha256').update(message.body).digest('hex') : undefined);
      const scope = settings.deduplicationScope === 'messageGroup' ? `${message.groupId} ` : '';
      const key = `${scope}${deduplicationId}`;
      const before = sent.get(key);
      const md5 = createHash('md5').update(message.body).digest('hex');
      // Deleted or not: an id is remembered for five minutes from the first send.
      if (settings.fifo && before !== undefined && time() - before.at < DEDUPLICATION) return { ...before, md5 };
      const id = randomUUID();
      const sequenceNumber = String(sequence++);
      const delay = message.delaySeconds ?? settings.delaySeconds;
      messages.push({
        ...message,
        deduplicationId,
        id,
        md5,
        sequenceNumber,
        sentAt: time(),
        visibleAt: time() + delay * 1000,
        receiveCount: 0,
        firstReceivedAt: undefined,
        receiptHandle: undefined,
        deadLetterSource: undefined,
      });
      if (settings.fifo) sent.set(key, { at: time(), id, sequenceNumber });
      return { id, md5, sequenceNumber };
    },
    receive(max, visibilitySeconds) {
      dropExpired();
      const waiting = new Set(
        messages.filter((one) => settings.fifo && one.visibleAt > time()).map(({ groupId }) => groupId),
      );
      const received: QueuedMessage[] = [];
      for (const message of messages) {
        if (received.length === max) break;
        // While one message of a group is out, the whole group waits.
        if (message.visibleAt > time() || waiting.has(message.groupId)) continue;
        if (settings.maxReceiveCount !== undefined && message.receiveCount >= settings.maxReceiveCount) {
          remove(message);
          giveUp(message);
          continue;
        }
        message.receiveCount += 1;
        message.firstReceivedAt ??= time();
        message.receiptHandle = Buffer.from(`${message.id} ${randomUUID()}`).toString('base64');
        handles.set(message.receiptHandle, message);
        received.push(message);
      }
      for (const message of received) message.visibleAt = time() + visibilitySeconds * 1000;
      return received;
    },
    delete(receiptHandle) {
      const message = handles.get(receiptHandle);
      if (message === undefined) return 'unknown';
      if (!messages.includes(message)) return 'gone';
      const expired = message.receiptHandle !== receiptHandle || !inFlight(message);
      // Only FIFO queues refuse a handle that has run out: somebody else may work on the message by now.
      if (settings.fifo && expired) return 'expired';
      remove(message);
      return 'deleted';
    },
    setVisibility(receiptHandle, visibilitySeconds) {
      const message = handles.get(receiptHandle);
      if (message === undefined) return 'unknown';
      if (!messages.includes(message) || message.receiptHandle !== receiptHandle || !inFlight(message))
        return 'not-in-flight';
      message.visibleAt = time() + visibilitySeconds * 1000;
      return 'set';
    },
    all() {
      dropExpired();
      return [...messages];
    },
    purge() {
      messages = [];
    },
    take(message, source) {
      const sentAt = settings.fifo ? time() : message.sentAt;
      const sequenceNumber = String(sequence++);
      const fresh = { visibleAt: time(), receiptHandle: undefined, deadLetterSource: source };
      messages.push({ ...message, ...fresh, sentAt, sequenceNumber });
    },
  };
  return queue;
}
