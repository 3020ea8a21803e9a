import { RefreshError } from '../../functions/core/errors.ts';
import type { Proof } from '../../functions/core/grants/grant.ts';
import { dryRunProves, probe } from '../../functions/core/probe.ts';
import { type ConnectionReport, type ShownError, shown } from '../../functions/core/report.ts';
import { inTurns } from './in-turns.ts';
import { serveAll } from './refresh.ts';
import { orError, type Session } from './session.ts';
import type { Surveyed } from './survey.ts';

/** Whether a refresh would work now, as far as it can be known without changing or spending anything. */
export interface Verdict {
  /** Of the dry run; it has failed as well where Salesforce refused the probe. */
  readonly report: ConnectionReport;
  /** Whether the dry run alone came to its end. */
  readonly isRehearsed: boolean;
  /** What Salesforce said; absent where the report has failed. */
  readonly proof: Proof | undefined;
  /**
   * Of the access token that AppFlow was given, where it was given nothing else, and so cannot get itself another: whether Salesforce still takes it.
   * `unknown` where nobody keeps it: the grants that need no refresh token.
   */
  readonly session: 'lives' | 'ended' | 'unknown' | undefined;
}

/** A dry run of each connection, and then a probe of what it would send: a dry run alone shows Salesforce neither a JWT for AppFlow nor a refresh token. */
export async function verdictsOf(
  session: Session,
  connections: readonly Surveyed[],
): Promise<ReadonlyMap<string, Verdict>> {
  const names = connections.map(({ name }) => name);
  const { reports } = await serveAll(session, names, true, () => undefined);
  const verdicts = await inTurns(reports, (report) =>
    verdictOf(
      session,
      report,
      connections.find(({ name }) => name === report.connection),
    ),
  );
  return new Map(verdicts.map((verdict) => [verdict.report.connection, verdict]));
}

async function verdictOf(session: Session, report: ConnectionReport, surveyed: Surveyed | undefined): Promise<Verdict> {
  const isRehearsed = report.outcome === 'would-refresh';
  const connection = surveyed?.connection;
  if (!isRehearsed || connection === undefined || connection instanceof RefreshError)
    return { report, isRehearsed, proof: undefined, session: undefined };
  const proof: Proof | RefreshError = dryRunProves(connection)
    ? { state: 'proven', detail: 'Salesforce accepts its credentials' }
    : await orError(() => probe(connection, session.context()));
  if (!(proof instanceof RefreshError)) {
    const isSession = report.handOver === 'ACCESS_TOKEN';
    return { report, isRehearsed, proof, session: isSession ? (proof.session ?? 'unknown') : undefined };
  }
  const { validUntil: _unused, ...rest } = report;
  return {
    report: { ...rest, outcome: 'failed', error: shown(proof) },
    isRehearsed,
    proof: undefined,
    session: undefined,
  };
}

/** What to say of a connection whose flows fail although a refresh would work. */
export function endedSession(name: string): ShownError {
  return {
    code: 'SALESFORCE_REFUSED',
    retryable: false,
    message: 'Salesforce has ended the session of the access token that AppFlow was given.',
    hint: `Run refresh ${name}. Otherwise heal does it when a flow fails, or the schedule at the next attempt.`,
  };
}
