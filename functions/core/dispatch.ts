import { createHash } from 'node:crypto';
import { belonging, profileNotFound, profileShared } from './connection/belonging.ts';
import { type Faulty, type ListedTarget, targetsOf } from './connection/target.ts';
import type { Context } from './context.ts';
import type { Envelope } from './ports.ts';
import { datesOf, dueSince, isOverdue, slotOf } from './schedule.ts';

/** The shape that callers see. */
export interface DispatchSummary {
  readonly connections: number;
  readonly due: number;
  readonly enqueued: number;
  readonly missingProfiles: readonly string[];
  readonly sharedProfiles: readonly string[];
}

/** A connection that is behind, for alarms: due for longer than a quarter of its interval and three ticks. */
export interface Overdue {
  readonly connection: string;
  readonly seconds: number;
}

export interface Dispatched {
  readonly summary: DispatchSummary;
  readonly overdue: readonly Overdue[];
  /** What is not served before a person acts: one a connection, and one a shared profile. */
  readonly faulty: readonly Faulty[];
}

/** When it is decided who is due. */
export interface Tick {
  /** By the schedule's clock. */
  readonly scheduledTime: Date;
  /** Sends all connections, due or not. */
  readonly force: boolean;
}

/** Decides which connections are due and sends each to the queue, before anything is said about the rest. Reads no secret value. */
export async function dispatch({ scheduledTime, force }: Tick, { rules, ports, run }: Context): Promise<Dispatched> {
  const [secrets, profiles] = await Promise.all([
    ports.secrets.list(rules.secretPrefix, run),
    ports.appflow.salesforceProfiles(run),
  ]);
  const { targets, faulty: malformed } = targetsOf(secrets, rules);
  const belongs = belonging(targets);

  const envelopes: Envelope[] = [];
  const overdue: Overdue[] = [];
  const missing: ListedTarget[] = [];
  for (const [profileName, { owner: target }] of belongs) {
    const profile = profiles.get(profileName);
    if (profile === undefined) {
      missing.push(target);
      continue;
    }
    const dates = datesOf(target, profile);
    const seconds = Math.floor((scheduledTime.getTime() - dueSince(dates).getTime()) / 1000);
    if (isOverdue(seconds, target.intervalSeconds, rules.tickSeconds))
      overdue.push({ connection: target.connection, seconds });
    const slot = slotOf(dates, scheduledTime, rules.tickSeconds);
    if (force) envelopes.push(envelope(target, scheduledTime, `forced by ${run.id}`));
    else if (slot !== undefined) envelopes.push(envelope(target, scheduledTime, slot.toISOString()));
  }
  const enqueued = envelopes.length === 0 ? 0 : await ports.queue.send(envelopes, run);

  const shared = [...belongs].filter(([, { others }]) => others.length > 0);
  const faulty: Faulty[] = [
    ...malformed,
    ...missing.map((target) => ({ connection: target.connection, error: profileNotFound(target) })),
    ...shared.flatMap(
      ([
        name,
        {
          owner,
          others: [first, ...rest],
        },
      ]) =>
        first === undefined
          ? []
          : [{ connection: first.connection, error: profileShared(name, owner, [first, ...rest]) }],
    ),
  ];
  return {
    summary: {
      connections: secrets.length,
      due: envelopes.length,
      enqueued,
      missingProfiles: missing.map(({ connectorProfileName }) => connectorProfileName).sort(),
      sharedProfiles: shared.map(([name]) => name).sort(),
    },
    overdue,
    faulty,
  };
}

function envelope(
  { connection, connectorProfileName, intervalSeconds }: ListedTarget,
  scheduledTime: Date,
  slot: string,
): Envelope {
  return {
    group: hash(connection),
    deduplication: hash(`${connection}\n${slot}`),
    message: { connection, connectorProfileName, intervalSeconds, scheduledTime: scheduledTime.toISOString() },
  };
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
