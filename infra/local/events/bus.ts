/** The default event bus: what is on it, and how it is delivered to functions and to the topic. */
import { randomUUID } from 'node:crypto';
import { type BusEvent, type Publish, secondsOnly } from '../wire/events.ts';
import type { Environment } from '../wire/operation.ts';
import { matches, type Pattern } from './pattern.ts';

export interface Rule {
  readonly name: string;
  readonly pattern: Pattern;
  readonly target: FunctionTarget | TopicTarget;
}
interface FunctionTarget {
  readonly functionName: string;
  /** How often Lambda tries again after an error. */
  readonly maximumRetryAttempts: number;
}
interface TopicTarget {
  /** What of the event is sent, such as `$.detail.summary`: names alone. */
  readonly inputPath: string;
}

/** What a subscriber of the topic reads. EventBridge puts a text in quotation marks, as JSON has it: they are left out here. */
interface Message {
  readonly at: Date;
  readonly text: string;
  readonly event: BusEvent;
}

/** What a function failed with to the last try, or what could not be sent at all: it ends in the queue of failed events. */
interface Failed {
  readonly event: BusEvent;
  readonly rule: string;
  readonly attempts: number;
  readonly error: string;
}

/** An event that waits for its next attempt, from then on. */
interface Waiting {
  readonly event: BusEvent;
  readonly rule: Rule;
  readonly attempt: number;
  readonly at: number;
}

/** The bus forgets its oldest events then: `npm run stack` may run for days. */
const MOST_EVENTS = 10_000;
/** Events that come of a delivery: with more, they bring forth each other. */
const MOST_OFFSPRING = 1_000;
/** Between the attempts of Lambda, in milliseconds. */
const BETWEEN_ATTEMPTS = 60_000;

/** `invoke` runs a function of Lambda, and `sleep` waits by the clock of the services. */
export function createBus(
  env: Environment,
  invoke: (functionName: string, event: unknown) => Promise<unknown>,
  sleep: (milliseconds: number) => Promise<void>,
) {
  const all: BusEvent[] = [];
  const pending: BusEvent[] = [];
  const messages: Message[] = [];
  const failed: Failed[] = [];

  async function attempt({ event, rule, attempt }: Omit<Waiting, 'at'>): Promise<Waiting | undefined> {
    const { target } = rule;
    if ('inputPath' in target) {
      const text = textAt(event, target.inputPath);
      if (text !== undefined) messages.push({ at: env.now(), text, event });
      else failed.push({ event, rule: rule.name, attempts: 1, error: `There is no text at ${target.inputPath}.` });
      return undefined;
    }
    try {
      await invoke(target.functionName, event);
      return undefined;
    } catch (error) {
      // A minute after the first, two after the second.
      if (attempt <= target.maximumRetryAttempts)
        return { event, rule, attempt: attempt + 1, at: env.now().getTime() + attempt * BETWEEN_ATTEMPTS };
      failed.push({ event, rule: rule.name, attempts: attempt, error: said(error) });
      return undefined;
    }
  }

  const publish: Publish = (event) => {
    const put: BusEvent = JSON.parse(
      JSON.stringify({
        version: '0',
        id: randomUUID(),
        account: env.accountId,
        time: secondsOnly(env.now()),
        region: env.region,
        resources: [],
        ...event,
      }),
    );
    for (const list of [all, pending]) {
      list.push(put);
      if (list.length > MOST_EVENTS) list.shift();
    }
    return put;
  };

  return {
    publish,
    /** For tests: no permissions, no faults. */
    state: {
      publish,
      /** Every event that was ever on the bus, in order. */
      all: () => [...all],
      /** What the subscribers of the topic got, in order. */
      messages: () => [...messages],
      /** What ended in the queue of failed events, in order. */
      failed: () => [...failed],
      /**
       * Delivers what is on the bus to the targets of all rules that match, one after the other in the order of arrival, until nothing is left: not
       * what comes meanwhile, nor what is tried again later, for which it sleeps by the clock.
       */
      async deliver(rules: readonly Rule[]): Promise<void> {
        const waiting: Waiting[] = [];
        const due = () => waiting.toSorted((one, other) => one.at - other.at)[0];
        let left = pending.length + MOST_OFFSPRING;
        for (;;) {
          const next = due();
          const now = env.now().getTime();
          const event = next !== undefined && next.at <= now ? undefined : pending.shift();
          if (event !== undefined) {
            left -= 1;
            if (left < 0) throw new Error('These events bring forth each other without an end.');
            for (const rule of rules) {
              if (!matches(rule.pattern, event)) continue;
              const again = await attempt({ event, rule, attempt: 1 });
              if (again !== undefined) waiting.push(again);
            }
            continue;
          }
          if (next === undefined) return;
          if (next.at > now) await sleep(next.at - now);
          waiting.splice(waiting.indexOf(next), 1);
          const again = await attempt(next);
          if (again !== undefined) waiting.push(again);
        }
      },
    },
  };
}

function textAt(event: BusEvent, path: string): string | undefined {
  const names = path.split('.').slice(1);
  const found = names.reduce<unknown>(
    (value, name) =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).find(([key]) => key === name)?.[1]
        : undefined,
    event,
  );
  return typeof found === 'string' ? found : undefined;
}

function said(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
