/** The queues themselves, and which of them is whose dead-letter queue. */
import type { Environment } from '../wire/environment.ts';
import { AwsError } from '../wire/wire.ts';
import { createQueueMessages, type NewMessage, type QueuedMessage, type QueueMessages } from './messages.ts';
import { checkedAttributes, parameter, redriveOf, settingsOf } from './shapes.ts';

export interface Queue {
  readonly name: string;
  readonly arn: string;
  attributes: Record<string, string>;
  settings: ReturnType<typeof settingsOf>;
  readonly messages: QueueMessages;
  readonly createdAt: Date;
}

/** For tests and the sample loader: no permissions, no faults, but the same rules. */
export interface QueueState {
  /** Attributes as SQS names them (`VisibilityTimeout`, `RedrivePolicy`, …). Returns the queue's URL. */
  create(name: string, attributes?: Readonly<Record<string, string>>): string;
  /** Everything in the queue, in order, in flight or not. */
  messages(name: string): readonly QueuedMessage[];
  send(name: string, message: NewMessage): string;
  purge(name: string): void;
  names(): readonly string[];
  url(name: string): string;
}

export interface QueueStore {
  /** By name or URL. @throws QueueDoesNotExist */
  find(nameOrUrl: string): Queue;
  /** The same call again is harmless. @throws QueueNameExists */
  create(name: string, attributes: Readonly<Record<string, string>>): Queue;
  change(queue: Queue, attributes: Readonly<Record<string, string>>): void;
  remove(queue: Queue): void;
  names(): readonly string[];
  urlOf(name: string): string;
  readonly state: QueueState;
}

/** `origin` gives the server's address, which is known only once it listens. */
export function createQueueStore(env: Environment, origin: () => string): QueueStore {
  const queues = new Map<string, Queue>();
  const urlOf = (name: string) => `${origin()}/${env.accountId}/${name}`;

  function find(nameOrUrl: string): Queue {
    const queue = queues.get(nameOrUrl.split('/').at(-1) ?? '');
    if (queue === undefined) {
      throw new AwsError(
        'QueueDoesNotExist',
        'The specified queue does not exist.',
        400,
        'AWS.SimpleQueueService.NonExistentQueue',
      );
    }
    return queue;
  }

  function create(name: string, given: Readonly<Record<string, string>>): Queue {
    const attributes = checkedAttributes(name, given);
    const existing = queues.get(name);
    if (existing !== undefined) {
      const differs = Object.entries(given).some(([key, value]) => existing.attributes[key] !== value);
      if (!differs) return existing;
      throw new AwsError(
        'QueueNameExists',
        'A queue already exists with the same name and a different value for an attribute.',
        400,
        'QueueAlreadyExists',
      );
    }
    checkTarget(attributes);
    const settings = settingsOf(attributes);
    const queue: Queue = {
      name,
      arn: env.arn('sqs', name),
      attributes,
      settings,
      messages: createQueueMessages(settings, env.now, (message) => targetOf(queue)?.messages.take(message, queue.arn)),
      createdAt: env.now(),
    };
    queues.set(name, queue);
    return queue;
  }

  const targetOf = ({ attributes }: Pick<Queue, 'attributes'>) => {
    const target = redriveOf(attributes)?.deadLetterTargetArn;
    return [...queues.values()].find(({ arn }) => arn === target);
  };

  function checkTarget(attributes: Record<string, string>): void {
    if (redriveOf(attributes) === undefined) return;
    const target = targetOf({ attributes });
    const reason =
      target === undefined
        ? 'Dead letter target does not exist.'
        : target.settings.fifo !== (attributes['FifoQueue'] === 'true')
          ? 'Dead-letter queue must be same type of queue as the source.'
          : undefined;
    if (reason === undefined) return;
    throw parameter(`Value ${attributes['RedrivePolicy']} for parameter RedrivePolicy is invalid. Reason: ${reason}`);
  }

  return {
    find,
    create,
    change(queue, given) {
      const attributes = checkedAttributes(queue.name, { ...queue.attributes, ...given });
      checkTarget(attributes);
      queue.attributes = attributes;
      Object.assign(queue.settings, settingsOf(attributes));
    },
    remove: (queue) => void queues.delete(queue.name),
    names: () => [...queues.keys()],
    urlOf,
    state: {
      create: (name, attributes = {}) => urlOf(create(name, attributes).name),
      messages: (name) => find(name).messages.all(),
      send: (name, message) => find(name).messages.send(message).id,
      purge: (name) => find(name).messages.purge(),
      names: () => [...queues.keys()],
      url: (name) => urlOf(find(name).name),
    },
  };
}
