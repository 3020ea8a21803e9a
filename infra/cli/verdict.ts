import { RefreshError } from '../../functions/core/errors.ts';
import type { Proof } from '../../functions/core/grants/grant.ts';
import { dryRunProves, probe } from '../../functions/core/probe.ts';
import { type ConnectionReport, shown } from '../../functions/core/report.ts';
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
    return { report, isRehearsed, proof: undefined };
  if (dryRunProves(connection))
    return { report, isRehearsed, proof: { state: 'proven', detail: 'Salesforce accepts its credentials' } };
  const proof = await orError(() => probe(connection, session.context()));
  if (!(proof instanceof RefreshError)) return { report, isRehearsed, proof };
  const { validUntil: _unused, ...rest } = report;
  return { report: { ...rest, outcome: 'failed', error: shown(proof) }, isRehearsed, proof: undefined };
}
