import { createHash } from 'node:crypto';
import { RefreshError } from './errors.ts';
import type { AppFlow, ListedSecret, Profile, Secrets } from './ports.ts';
import type { Run } from './run.ts';
import { type Dates, dueSince, slotOf } from './schedule.ts';
import { profileNotFound, profileShared, type Target } from './serving.ts';
import { targetOf } from './targets.ts';

export interface DispatchRules {
  readonly secretPrefix: string;
  readonly refreshIntervalSeconds: number;
  readonly tickSeconds: number;
}

/** A message of the queue, as `refresh` reads it. */
export interface Message {
  readonly connection: string;
  readonly connectorProfileName: string;
  readonly intervalSeconds: number;
  /** ISO 8601: the tick that sent it. */
  readonly scheduledTime: string;
}

/** A message with what the FIFO queue needs to know of it. Both ids are hashes: at most 128 characters whatever the name. */
export interface Envelope {
  /** The connection: its messages keep their order and never run beside each other. */
  readonly group: string;
  /** Connection and slot: a tick that comes twice sends once. */
  readonly deduplication: string;
  readonly message: Message;
}

export interface Queue {
  /** @returns how many were taken. @throws RefreshError where none was */
  send(envelopes: readonly Envelope[], run: Run): Promise<number>;
}

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
  /** Connections that are not served before a person acts. */
  readonly faulty: readonly Faulty[];
}

interface Faulty {
  readonly connection: string;
  readonly error: RefreshError;
}

interface Candidate extends Target {
  readonly secretChangedAt: Date;
}

/**
 * Decides which connections are due and sends each to the queue. Reads no secret value.
 *
 * @param scheduledTime the tick, by the schedule's clock
 * @param force sends all of them
 */
export async function dispatch(
  scheduledTime: Date,
  force: boolean,
  rules: DispatchRules,
  ports: {
    readonly secrets: Pick<Secrets, 'list'>;
    readonly appflow: Pick<AppFlow, 'salesforceProfiles'>;
    readonly queue: Queue;
  },
  run: Run,
): Promise<Dispatched> {
  const [secrets, profiles] = await Promise.all([
    ports.secrets.list(rules.secretPrefix, run),
    ports.appflow.salesforceProfiles(run),
  ]);
  const { candidates, faulty } = readTags(secrets, rules);
  const byProfile = Map.groupBy(candidates, ({ connectorProfileName }) => connectorProfileName);
  const missingProfiles = [...byProfile.keys()].filter((name) => !profiles.has(name)).sort();
  const sharedProfiles = [...byProfile]
    .filter(([, claimants]) => claimants.length > 1)
    .map(([name]) => name)
    .sort();

  const envelopes: Envelope[] = [];
  const overdue: Overdue[] = [];
  for (const [name, claimants] of byProfile) {
    const profile = profiles.get(name);
    const [candidate, second] = claimants;
    if (candidate === undefined || second !== undefined || profile === undefined) {
      const names = claimants.map(({ connection }) => connection);
      for (const connection of names) {
        const error = second === undefined ? profileNotFound(connection, name) : profileShared(name, names);
        faulty.push({ connection, error });
      }
      continue;
    }
    const dates = datesOf(candidate, profile);
    const seconds = Math.floor((scheduledTime.getTime() - dueSince(dates).getTime()) / 1000);
    if (seconds > Math.max(candidate.intervalSeconds / 4, 3 * rules.tickSeconds))
      overdue.push({ connection: candidate.connection, seconds });
    const slot = slotOf(dates, scheduledTime, rules.tickSeconds);
    if (force) envelopes.push(envelope(candidate, scheduledTime, `forced by ${run.id}`));
    else if (slot !== undefined) envelopes.push(envelope(candidate, scheduledTime, slot.toISOString()));
  }
  const enqueued = envelopes.length === 0 ? 0 : await ports.queue.send(envelopes, run);
  return {
    summary: { connections: secrets.length, due: envelopes.length, enqueued, missingProfiles, sharedProfiles },
    overdue,
    faulty,
  };
}

function readTags(secrets: readonly ListedSecret[], rules: DispatchRules) {
  const candidates: Candidate[] = [];
  const faulty: Faulty[] = [];
  for (const secret of secrets) {
    try {
      candidates.push({
        ...targetOf(secret, rules.secretPrefix, rules.refreshIntervalSeconds),
        secretChangedAt: secret.changedAt,
      });
    } catch (error) {
      if (!(error instanceof RefreshError)) throw error;
      faulty.push({ connection: secret.name.slice(rules.secretPrefix.length), error });
    }
  }
  return { candidates, faulty };
}

export function datesOf(
  candidate: { readonly intervalSeconds: number; readonly secretChangedAt: Date },
  profile: Pick<Profile, 'createdAt' | 'updatedAt'>,
): Dates {
  return {
    secretChangedAt: candidate.secretChangedAt,
    profileCreatedAt: profile.createdAt,
    profileUpdatedAt: profile.updatedAt,
    intervalSeconds: candidate.intervalSeconds,
  };
}

function envelope(
  { connection, connectorProfileName, intervalSeconds }: Candidate,
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
