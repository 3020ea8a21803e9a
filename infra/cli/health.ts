import { RefreshError } from '../../functions/core/errors.ts';
import { doubtfulFlows, type FlowSeen, refusedFlows } from './flow-uses.ts';
import type { Past } from './past.ts';
import type { Surveyed } from './survey.ts';
import type { Verdict } from './verdict.ts';

/**
 * How a connection is, the gravest that applies. Healthy is only what was proved: without a probe a connection is at best `fresh`, which is what its
 * dates say, and with one that could not be made `unproven`.
 */
export const STATES = {
  /** Something is wrong with it, or a refresh would fail now. */
  unhealthy: 'failure',
  /** Another program or person has updated the profile since our last run, so that AppFlow may hold anything. */
  edited: 'failure',
  /** The last attempt failed, and the profile was not updated since; or AppFlow itself cannot log in with what it was given. */
  failing: 'failure',
  /** Due for so long that an alarm stands. */
  overdue: 'failure',
  /** An attempt is on its way. */
  due: 'well',
  /** Within its interval; nobody asked Salesforce. */
  fresh: 'well',
  /** Nothing is wrong that could be seen, and something that could be wrong could not be asked: see `doubts`. */
  unproven: 'well',
  /** Salesforce accepts what the next refresh would send, AppFlow holds what we gave it last, and its flows can log in. */
  healthy: 'well',
} as const;
export type State = keyof typeof STATES;

/** All that is known of one connection. */
export interface Health {
  readonly surveyed: Surveyed;
  readonly past: Past;
  readonly state: State;
  readonly problems: readonly RefreshError[];
  /** Why the secret's value could not be read, where that says nothing about the connection. */
  readonly unread: RefreshError | undefined;
  /** Of a probe, where one was wanted. */
  readonly verdict: Verdict | undefined;
  /** `undefined` where nobody wanted to know them; null where they could not be read. */
  readonly flows: readonly FlowSeen[] | null | undefined;
  /** Of a probe: why it proves nothing, in words without a full stop. */
  readonly doubts: readonly string[];
}

export function healthOf(
  surveyed: Surveyed,
  seen: Pick<Health, 'past' | 'verdict' | 'flows'> & { readonly at: Date; readonly isInEscrow: boolean },
): Health {
  const { value } = surveyed;
  const isMissing = value instanceof RefreshError && value.code === 'SECRET_NOT_FOUND';
  const problems = problemsOf(surveyed, seen.at, seen.isInEscrow, isMissing);
  const { past, verdict, flows } = seen;
  return {
    surveyed,
    past,
    state: stateOf(surveyed, problems, seen),
    doubts: doubtsOf(seen),
    problems,
    unread: value instanceof RefreshError && !isMissing ? value : undefined,
    verdict,
    flows,
  };
}

function stateOf(
  { timing }: Surveyed,
  problems: readonly RefreshError[],
  seen: Pick<Health, 'past' | 'verdict' | 'flows'> & { readonly at: Date },
): State {
  const { past, verdict, flows, at } = seen;
  if (problems.length > 0 || verdict?.report.outcome === 'failed') return 'unhealthy';
  if (past.edited?.isCertain === true) return 'edited';
  if (past.lastFailure !== undefined || verdict?.session === 'ended' || refusedFlows(flows ?? []).length > 0)
    return 'failing';
  if (timing?.isOverdue === true) return 'overdue';
  if (timing !== undefined && timing.dueSince <= at) return 'due';
  if (verdict === undefined) return 'fresh';
  return verdict.proof?.state === 'proven' && doubtsOf(seen).length === 0 ? 'healthy' : 'unproven';
}

/** What could be wrong, and could not be asked. */
function doubtsOf({ past, verdict, flows }: Pick<Health, 'past' | 'verdict' | 'flows'>): string[] {
  if (verdict === undefined || verdict.report.outcome === 'failed') return [];
  const { proof, session } = verdict;
  return [
    ...(proof?.state === 'unproven' ? [proof.detail] : []),
    ...(session === 'unknown' ? [SESSION_UNKNOWN] : []),
    ...(past.edited === undefined ? [] : [MAYBE_EDITED]),
    ...(past.untold === undefined ? [] : [past.untold]),
    ...(flows === null || flows === undefined
      ? ['whether AppFlow can log in is not known: its flows could not be read']
      : []),
    ...(doubtfulFlows(flows ?? []).length === 0 ? [] : [FLOW_UNKNOWN]),
  ];
}

const MAYBE_EDITED = 'another program may have updated its profile last';
const FLOW_UNKNOWN = 'a flow failed for a reason that is not known here';
/** Doubts of which more is said where they are shown. */
export const EXPLAINED: ReadonlySet<string> = new Set([MAYBE_EDITED, FLOW_UNKNOWN]);

export const SESSION_UNKNOWN =
  'AppFlow was given an access token that is not kept here, so whether Salesforce has ended its session is not known before a flow runs';

function problemsOf(surveyed: Surveyed, at: Date, isInEscrow: boolean, isMissing: boolean): RefreshError[] {
  const { name, secret, target, value, connection, profile, certificateEnd } = surveyed;
  const problems = [secret, target, connection, profile].filter((part) => part instanceof RefreshError);
  if (isMissing && value instanceof RefreshError) problems.push(value);
  if (isInEscrow) {
    problems.push(
      new RefreshError(
        'TOKEN_NOT_PERSISTED',
        `A new refresh token of ${name} lies in escrow, since its secret did not take it.`,
        'See why the token secret could not be written; the next refresh brings the token home.',
      ),
    );
  }
  if (certificateEnd !== undefined && certificateEnd <= at) {
    problems.push(
      new RefreshError(
        'KEY_UNUSABLE',
        `The certificate of ${name} ended on ${certificateEnd.toISOString().slice(0, 10)}.`,
        'Upload a new one to the app in Salesforce, and store its key as nextPrivateKey.',
      ),
    );
  }
  return problems;
}

/** The shape that scripts see; dates are ISO 8601, and what is not known is null. */
export function jsonOf(health: Health, at: Date) {
  const { surveyed, past, state, problems, unread, verdict, flows, doubts } = health;
  const { name, target, connection, timing, certificateEnd } = surveyed;
  const known = target === undefined || target instanceof RefreshError ? undefined : target;
  const parsed = connection === undefined || connection instanceof RefreshError ? undefined : connection;
  const isDue = timing !== undefined && timing.dueSince <= at;
  const { edited, lastFailure } = past;
  return {
    connection: name,
    connectorProfileName: known?.connectorProfileName ?? null,
    grantType: parsed?.grantType ?? null,
    handOver: parsed?.handOver ?? null,
    intervalSeconds: known?.intervalSeconds ?? null,
    updatedAt: timing?.updatedAt.toISOString() ?? null,
    ageSeconds: timing === undefined ? null : Math.floor((at.getTime() - timing.updatedAt.getTime()) / 1000),
    dueSince: isDue ? timing.dueSince.toISOString() : null,
    nextAttempt: timing?.nextAttempt.toISOString() ?? null,
    certificateEnd: certificateEnd?.toISOString() ?? null,
    state,
    overdue: timing?.isOverdue ?? false,
    problems: problems.map(({ code, message, hint }) => ({ code, message, hint })),
    lastFailure:
      lastFailure === undefined
        ? null
        : {
            at: lastFailure.at.toISOString(),
            function: lastFailure.function,
            code: lastFailure.code ?? null,
            message: lastFailure.message,
            hint: lastFailure.hint ?? null,
          },
    edited: edited === undefined ? null : { at: edited.at.toISOString(), certain: edited.isCertain },
    ...(unread === undefined ? {} : { unread: { code: unread.code, message: unread.message, hint: unread.hint } }),
    ...(verdict === undefined ? {} : { verdict: verdict.report, proof: proofOf(verdict), doubts }),
    ...(flows === undefined ? {} : { flows }),
  };
}

function proofOf({ proof, session }: Verdict) {
  return proof === undefined ? null : { ...proof, ...(session === undefined ? {} : { session }) };
}
