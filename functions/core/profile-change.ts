import { belonging, profileNotFound } from './connection/belonging.ts';
import { type ListedTarget, listedTargets, targetOf } from './connection/target.ts';
import type { Context } from './context.ts';
import { orRefreshError, RefreshError } from './errors.ts';
import { COMMAND } from './hint.ts';
import { noticesOf, type Told } from './notices.ts';
import { refresh } from './refresh.ts';
import type { ConnectionReport, Refreshed, Served } from './report.ts';
import { bounded, MOST_MESSAGE } from './wording.ts';

/** Somebody's call that changed a connector profile, as CloudTrail tells it. Texts are empty where it says nothing. */
export interface ProfileChange {
  readonly kind: 'updated' | 'deleted';
  /** Empty where the call changed nothing. */
  readonly connectorProfileName: string;
  readonly at: Date;
  /** The role of a caller who had assumed one. */
  readonly roleArn: string;
  readonly principal: string;
  readonly userAgent: string;
}

export interface ChangeReport {
  readonly connectorProfileName: string;
  readonly outcome: 'restored' | 'told' | 'nothing-to-do' | 'failed';
  /** In one line, what was found and done. */
  readonly message: string;
  readonly connections: readonly ConnectionReport[];
}

export interface Answered {
  readonly report: ChangeReport;
  readonly refreshed: Refreshed;
  readonly told: readonly Told[];
}

/** Milliseconds between a call's time, which has whole seconds, and the date that it leaves on the profile. */
const APPLIED_WITHIN = 5_000;
/** A refresh that has failed for now is tried again by Lambda a minute after, and two minutes after that, and no more. */
const LAST_TRY_AFTER = 150_000;
/** What says that the profile never held a credential of ours. */
const NOT_OURS: ReadonlySet<string> = new Set(['PROFILE_MISMATCH', 'PROFILE_NOT_SALESFORCE']);
/** Characters of a principal at most: a role's ARN with its session. */
const MOST_PRINCIPAL = 300;

/**
 * Answers what somebody did to a profile that a connection of ours serves. Updated, it may hold anything: the connection is refreshed at once, and
 * people are told who it was. Deleted, people are told.
 *
 * Our own updates are none of these. Another deployment of this product is told of and never answered: the two would chase each other for ever.
 */
export async function answerChange(change: ProfileChange, context: Context): Promise<Answered> {
  const { connectorProfileName, kind, at } = change;
  const nothing = (message: string): Answered => ({
    report: { connectorProfileName, outcome: 'nothing-to-do', message, connections: [] },
    refreshed: { served: [], bugs: [] },
    told: [],
  });
  if (connectorProfileName === '') return nothing('The call changed no profile; nothing to do.');
  if (kind === 'updated' && isOurs(change, context)) return nothing('The update was our own; nothing to do.');
  const belongs = belonging(await listedTargets(context));
  const owner = belongs.get(connectorProfileName)?.owner;
  if (owner === undefined || !(await stillServes(owner, context)))
    return nothing('No connection serves the profile; nothing to do.');
  if (kind === 'deleted') return gone(change, owner, context);
  if (productIn(change) === 'appflow-token-refresher') return another(change, owner);

  // With a new token in any case: AppFlow may have spent the one that we keep, if it was given that one.
  const target = { ...owner, unlessUpdatedAfter: new Date(at.getTime() + APPLIED_WITHIN), isHealing: true };
  const refreshed = await refresh({ targets: [target], dryRun: false, belongs }, context);
  const connections = refreshed.served.map(({ report }) => report);
  const [first] = refreshed.served;
  if (first?.report.outcome === 'in-progress')
    throw new RefreshError('OUT_OF_TIME', `Another run holds ${owner.connection}.`, { kind: 'wait' });
  const { error } = first ?? {};
  // What will be tried again is told when it has been decided, or when it is so late that this may be the last try.
  const isDecided = error?.retryable !== true || context.run.now() - at.getTime() >= LAST_TRY_AFTER;
  const isServed = error === undefined || !NOT_OURS.has(error.code);
  return {
    report: {
      connectorProfileName,
      outcome: first === undefined || error !== undefined ? 'failed' : 'restored',
      message: bounded(`${connectorProfileName} was updated by ${byWhom(change)}. ${becameOf(first)}`, MOST_MESSAGE),
      connections,
    },
    refreshed,
    told: [
      ...(first !== undefined && isDecided && isServed ? [overwritten(change, owner, first)] : []),
      ...(await noticesOf(refreshed.served, context)),
    ],
  };
}

/** The listing lags: a connection that was deleted or moved with its profile, by the same hand, may still be in it. */
async function stillServes(
  { connection, connectorProfileName }: ListedTarget,
  { rules, ports, run }: Context,
): Promise<boolean> {
  const now = await orRefreshError(async () =>
    targetOf(await ports.secrets.describe(rules.secretPrefix + connection, run), rules),
  );
  // That it cannot be looked at says nothing.
  return now instanceof RefreshError
    ? now.code !== 'SECRET_NOT_FOUND'
    : now.connectorProfileName === connectorProfileName;
}

/** What may be said of the profile after a refresh. `undefined` where that ended in a bug of ours. */
function becameOf(served: Served | undefined): string {
  if (served === undefined) return 'It could not be refreshed.';
  if (served.error !== undefined) return `It could not be refreshed: ${served.error.message}`;
  // By whom is not known: by another run of ours, or by somebody whose own event is yet to come.
  return served.report.outcome === 'up-to-date' ? 'It has been updated again since.' : 'It has our credential again.';
}

/** By its role or, where a person ran it, by its name. */
function isOurs(change: ProfileChange, { rules }: Context): boolean {
  return rules.ownRoleArns.includes(change.roleArn) || productIn(change) === 'appflow-token-refresher-cli';
}

function productIn({ userAgent }: ProfileChange): string | undefined {
  return /(?:^|\s)(appflow-token-refresher(?:-cli)?)\/\d/.exec(userAgent)?.[1];
}

/** AppFlow itself says whether the profile is gone: it may have been made again since, and the event may come twice. */
async function gone(change: ProfileChange, owner: ListedTarget, { ports, run }: Context): Promise<Answered> {
  const { connectorProfileName, at } = change;
  const profiles = await ports.appflow.profiles([connectorProfileName], run);
  const isBack = profiles.has(connectorProfileName);
  const { code, message, next } = profileNotFound(owner);
  const deletion = `${connectorProfileName} was deleted by ${byWhom(change)}`;
  const error = new RefreshError(code, `${deletion}. ${message}`, next);
  return {
    report: {
      connectorProfileName,
      outcome: isBack ? 'nothing-to-do' : 'told',
      message: bounded(isBack ? `${deletion}, and has been made again.` : error.message, MOST_MESSAGE),
      connections: [],
    },
    refreshed: { served: [], bugs: [] },
    told: isBack
      ? []
      : [
          {
            kind: 'Connection Failed',
            connection: owner.connection,
            connectorProfileName,
            since: at.toISOString(),
            code,
            message: error.message,
            hint: error.hint,
            principal: principalOf(change),
          },
        ],
  };
}

/** Both serve the profile, and each would undo what the other did. */
function another(change: ProfileChange, owner: ListedTarget): Answered {
  const told = wasUpdated(change, owner);
  const message = `${told.message} It was another deployment of appflow-token-refresher, which is not answered.`;
  const hint = `Let one deployment alone serve ${owner.connectorProfileName}: delete the secret of ${owner.connection} here, or that of the other deployment.`;
  return {
    report: {
      connectorProfileName: owner.connectorProfileName,
      outcome: 'told',
      message: bounded(message, MOST_MESSAGE),
      connections: [],
    },
    refreshed: { served: [], bugs: [] },
    told: [{ ...told, message: bounded(message, MOST_MESSAGE), hint }],
  };
}

function wasUpdated(change: ProfileChange, { connection, connectorProfileName }: ListedTarget) {
  return {
    kind: 'Profile Overwritten',
    connection,
    connectorProfileName,
    since: change.at.toISOString(),
    principal: principalOf(change),
    message: `was updated at ${change.at.toISOString().replace('.000Z', 'Z')} by ${byWhom(change)}.`,
  } as const;
}

/** @param served what came of the refresh that answered it */
function overwritten(change: ProfileChange, owner: ListedTarget, served: Served): Told {
  const told = wasUpdated(change, owner);
  const { connection, connectorProfileName } = owner;
  const { error } = served;
  const message = bounded(`${told.message} ${becameOf(served)}`, MOST_MESSAGE);
  if (error === undefined) {
    const hint = `Stop that program from writing the credentials of ${connectorProfileName}: in Terraform, ignore_changes on them.`;
    return { ...told, message, hint };
  }
  const { code } = error;
  // To the schedule the profile is fresh.
  const hint = error.retryable
    ? `When that is over, run: ${COMMAND} refresh ${connection}. The schedule waits for the next interval.`
    : error.hint;
  return { ...told, message, code, hint };
}

/** Who and with what, for people: `arn:aws:sts::…:assumed-role/ci/x with Terraform/1.5.0`. */
function byWhom(change: ProfileChange): string {
  const products = shownAgent(change.userAgent);
  return `${principalOf(change)}${products === '' ? '' : ` with ${products}`}`;
}

/** Paths of users and roles may have any ASCII in them, and chats read some of it as markup. */
function principalOf({ principal }: ProfileChange): string {
  if (!/^(?:[\x21-\x7e]{1,1000}|AWS Internal)$/.test(principal)) return 'an unnamed principal';
  return bounded(principal.replace(/[^\w+=,.@:/ -]/g, '\ufffd'), MOST_PRINCIPAL);
}

/** Of a user agent, which its sender chooses, the names of products (RFC 9110 section 10.1.5) and of services alone, and few of them. */
function shownAgent(userAgent: string): string {
  const words = userAgent.slice(0, 1_000).match(/[\w.+-]+\/\d[\w.+-]*|[a-z-]+\.amazonaws\.com|AWS Internal/g) ?? [];
  return words
    .filter((word) => word.length <= 40)
    .slice(0, 3)
    .join(' ');
}
