import { RefreshError } from '../errors.ts';
import type { ListedSecret, Ports } from '../ports.ts';
import type { Run } from '../run.ts';
import { enumerated } from '../wording.ts';

/** One connection that somebody wants refreshed. */
export interface Target {
  readonly connection: string;
  readonly connectorProfileName: string;
  readonly intervalSeconds: number;
  /** Leave the connection alone where its profile was updated after this moment: the tick, or the start of the failed flow run. */
  readonly unlessUpdatedAfter?: Date;
  /** The queue asks again after a failure: a token that was put into escrow then is stored, also where the profile is up to date. */
  readonly isRetry?: boolean;
  /** A failed flow asked, not the schedule. */
  readonly isHealing?: boolean;
  /** The ticks of the schedule that asked, one for each message of the queue. */
  readonly ticks?: readonly AskingTick[];
}

/** One message of the queue. */
export interface AskingTick {
  readonly scheduledTime: Date;
  /** Whether the queue gave it out before. */
  readonly isRetry: boolean;
}

/** A target as the listing of the operator's secrets shows it. */
export interface ListedTarget extends Target {
  /** `LastChangedDate` of the operator's secret: a person changed it then, since we never write to it. */
  readonly secretChangedAt: Date;
  /** `CreatedDate` of the operator's secret: of several that name a profile the first created is served. */
  readonly secretCreatedAt: Date;
}

/** A connection whose tags are wrong: it is not served before a person acts. */
export interface Faulty {
  readonly connection: string;
  readonly error: RefreshError;
}

/** What reading the tags must know besides them. */
export interface TargetRules {
  readonly secretPrefix: string;
  /** For connections whose tags name no interval. */
  readonly refreshIntervalSeconds: number;
}

/** Tags of the operator's secret: what must be known without reading its value. */
const PROFILE_TAG = 'connector-profile-name';
const INTERVAL_TAG = 'refresh-interval-seconds';
/** No other tags of an operator's secret are read. */
export const TARGET_TAGS: ReadonlySet<string> = new Set([PROFILE_TAG, INTERVAL_TAG]);

const DAY_SECONDS = 86_400;

/**
 * The one rule for a connection's name: what is left for it in a secret's name (CreateSecret: `[A-Za-z0-9/_+=.@-]`, at most 512 characters), and no `-` in
 * front, where a command line would take it for an option.
 */
export function isConnectionName(name: string): boolean {
  return /^[A-Za-z0-9/_+=.@][A-Za-z0-9/_+=.@-]{0,399}$/.test(name);
}

/**
 * AppFlow's own pattern, here over the whole name, without `!` and `#`: a tag cannot spell these two, so a profile with such a name cannot be served.
 */
export function isProfileName(name: string): boolean {
  return /^[\w/@+=.-]{1,256}$/.test(name);
}

/** A number of seconds as a tag spells it; `undefined` where it is none. */
export function intervalOf(tag: string): number | undefined {
  return /^[1-9]\d{0,7}$/.test(tag) ? Number(tag) : undefined;
}

/** Seconds that a tag may say. Alarms measure by the interval, so one of years would stop a connection without a word. */
export function longestInterval({ refreshIntervalSeconds }: Pick<TargetRules, 'refreshIntervalSeconds'>): number {
  return Math.max(DAY_SECONDS, refreshIntervalSeconds);
}

/**
 * What a connection's secret says about it without its value.
 *
 * @throws RefreshError `SECRET_MALFORMED` where a tag is wrong
 */
export function targetOf(secret: ListedSecret, rules: TargetRules): ListedTarget {
  const connection = secret.name.slice(rules.secretPrefix.length);
  const connectorProfileName = secret.tags.get(PROFILE_TAG) ?? connection;
  const interval = secret.tags.get(INTERVAL_TAG);
  const intervalSeconds = interval === undefined ? rules.refreshIntervalSeconds : intervalOf(interval);
  const problems: string[] = [];
  if (!isConnectionName(connection)) problems.push('the name of the secret is not one that a connection can have');
  if (!isProfileName(connectorProfileName))
    problems.push(
      `the tag ${PROFILE_TAG}, or without it the name of the connection, is not a profile name that a tag can spell`,
    );
  if (intervalSeconds === undefined) problems.push(`the tag ${INTERVAL_TAG} is not a whole number of seconds`);
  else if (intervalSeconds > longestInterval(rules))
    problems.push(`the tag ${INTERVAL_TAG} is more than ${longestInterval(rules)}`);
  if (intervalSeconds !== undefined && problems.length === 0)
    return {
      connection,
      connectorProfileName,
      intervalSeconds,
      secretChangedAt: secret.changedAt,
      secretCreatedAt: secret.createdAt,
    };
  throw new RefreshError(
    'SECRET_MALFORMED',
    `${enumerated(problems, '; ')}.`,
    `Correct the tags, or the name, of the secret ${secret.name}. Until then ${connection} is not refreshed.`,
  );
}

/** The targets that a listing shows, and the connections whose tags are wrong. */
export function targetsOf(
  secrets: readonly ListedSecret[],
  rules: TargetRules,
): { readonly targets: readonly ListedTarget[]; readonly faulty: readonly Faulty[] } {
  const targets: ListedTarget[] = [];
  const faulty: Faulty[] = [];
  for (const secret of secrets) {
    try {
      targets.push(targetOf(secret, rules));
    } catch (error) {
      if (!(error instanceof RefreshError)) throw error;
      faulty.push({ connection: secret.name.slice(rules.secretPrefix.length), error });
    }
  }
  return { targets, faulty };
}

/** All connections whose tags can be read. */
export async function listedTargets({
  rules,
  ports,
  run,
}: {
  readonly rules: TargetRules;
  readonly ports: Ports;
  readonly run: Run;
}): Promise<readonly ListedTarget[]> {
  return targetsOf(await ports.secrets.list(rules.secretPrefix, run), rules).targets;
}
