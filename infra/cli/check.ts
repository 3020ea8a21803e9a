import type { Connection, JwtBearerConnection } from '../../functions/core/connection/connection.ts';
import type { Target } from '../../functions/core/connection/target.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import { CERTIFICATE_WARN_DAYS, exchange } from '../../functions/core/grants/jwt-bearer.ts';
import { type ConnectionReport, type ShownError, shown } from '../../functions/core/report.ts';
import { type ExitCode, exitCodeOfReports, indent, lines, note, paint, say, sayJson, text, trouble } from './output.ts';
import { chosenNames, serveAll } from './refresh.ts';
import { orError, type Session } from './session.ts';
import { type Surveyed, survey } from './survey.ts';

type Step = 'secret' | 'tags' | 'value' | 'key' | 'certificate' | 'profile' | 'limits' | 'grant' | 'salesforce';

/** One line of the checklist. */
interface Check {
  readonly check: Step | 'refresh';
  readonly result: 'ok' | 'failed' | 'warning' | 'not-reached' | 'not-asked';
  readonly detail: string;
  readonly error?: ShownError;
}

/** `check`: what can be known about connections without changing anything, step by step. */
export async function checkCommand(
  session: Session,
  { names, all }: { readonly names: readonly string[]; readonly all: boolean },
): Promise<ExitCode> {
  const chosen = await chosenNames(session, names, all);
  const [{ at, connections }, { reports }] = await Promise.all([
    survey(session, chosen),
    serveAll(session, chosen, true, () => undefined),
  ]);
  const lists = await Promise.all(
    connections.map(async (surveyed) => {
      const dryRun = reports.find(({ connection }) => connection === surveyed.name);
      const report = await withLogin(session, surveyed, dryRun);
      return { surveyed, report, checks: checklist(surveyed, report, dryRun?.outcome === 'would-refresh', at) };
    }),
  );
  const told = lists.flatMap(({ report }) => report ?? []);
  if (session.json) {
    sayJson({
      ok: told.every(({ outcome }) => outcome !== 'failed'),
      dryRun: true,
      connections: lists.map(({ report, checks }) => ({ ...report, checks })),
    });
  } else {
    if (lists.length === 0) note`There is no secret under ${session.rules.secretPrefix}.`;
    for (const { surveyed, report, checks } of lists) say`${shownList(surveyed, report, checks)}`;
  }
  return exitCodeOfReports(told);
}

/**
 * A JWT that AppFlow will exchange itself is not shown to Salesforce by a dry run. A person who checks wants to know whether the certificate was
 * uploaded, so one of our own is exchanged here, which changes nothing: a failure is the report's.
 */
async function withLogin(
  session: Session,
  { connection }: Surveyed,
  report: ConnectionReport | undefined,
): Promise<ConnectionReport | undefined> {
  if (report === undefined || report.outcome === 'failed') return report;
  if (connection === undefined || connection instanceof RefreshError || !exchangesItself(connection)) return report;
  const answer = await orError(() => exchange(connection, session.context()));
  if (!(answer instanceof RefreshError)) return report;
  const { validUntil: _unused, ...rest } = report;
  return { ...rest, outcome: 'failed', error: shown(answer) };
}

function exchangesItself(connection: Connection): connection is JwtBearerConnection {
  return connection.grantType === 'JWT_BEARER' && connection.handOver === 'JWT';
}

/** Where in the list a failure of the dry run belongs. */
const STEP_OF: Readonly<Record<string, Step>> = {
  SECRET_NOT_FOUND: 'secret',
  SECRET_MALFORMED: 'value',
  LOGIN_HOST_REFUSED: 'value',
  KEY_UNUSABLE: 'key',
  KMS_UNAVAILABLE: 'key',
  PROFILE_NOT_FOUND: 'profile',
  PROFILE_NOT_SALESFORCE: 'profile',
  PROFILE_SHARED: 'profile',
  PROFILE_MISMATCH: 'profile',
  INSTANCE_HOST_REFUSED: 'profile',
  LIFETIME_TOO_SHORT: 'limits',
  INTERVAL_TOO_SHORT: 'limits',
  CONSTRAINT_VIOLATED: 'limits',
  GRANT_UNSUPPORTED: 'grant',
  SALESFORCE_REFUSED: 'salesforce',
  SALESFORCE_UNAVAILABLE: 'salesforce',
  SALESFORCE_REPLY_UNREADABLE: 'salesforce',
};

/** @param isDryRunThrough whether the dry run alone succeeded, so that only our own log-in can have failed */
function checklist(
  surveyed: Surveyed,
  report: ConnectionReport | undefined,
  isDryRunThrough: boolean,
  at: Date,
): Check[] {
  const { secret, target, value, connection, profile, certificateEnd } = surveyed;
  const known = connection === undefined || connection instanceof RefreshError ? undefined : connection;
  const failures = new Map<Step, NonNullable<Check['error']>>();
  const fail = (step: Step, part: unknown) => {
    if (part instanceof RefreshError && !failures.has(step)) failures.set(step, shown(part));
  };
  fail('secret', secret);
  fail('secret', value);
  fail('tags', target);
  fail(connection instanceof RefreshError && connection.code === 'KEY_UNUSABLE' ? 'key' : 'value', connection);
  fail('profile', profile);
  const verdict = report?.error;
  // Only what the parts above do not show already: of several faults the dry run names the first.
  const isShown = [...failures.values()].some(({ code }) => code === verdict?.code);
  const step = verdict === undefined || isShown ? undefined : STEP_OF[verdict.code];
  if (verdict !== undefined && step !== undefined) failures.set(step, verdict);

  const row = (check: Step, isReached: boolean, detail: string): Check => {
    const error = failures.get(check);
    if (error !== undefined) return { check, result: 'failed', detail: error.message, error };
    return isReached ? { check, result: 'ok', detail } : { check, result: 'not-reached', detail: 'not reached' };
  };
  const isThrough = report !== undefined && report.outcome !== 'failed';
  const checks: Check[] = [
    row('secret', true, 'found and readable'),
    row('tags', !(secret instanceof RefreshError), tagDetail(target)),
    row('value', known !== undefined || failures.has('key'), known === undefined ? 'well-formed' : valueDetail(known)),
  ];
  if (known?.grantType === 'JWT_BEARER' || failures.has('key'))
    checks.push(row('key', known !== undefined, known === undefined ? '' : keyDetail(known)));
  if (known?.grantType === 'JWT_BEARER') checks.push(certificateCheck(certificateEnd, at));
  checks.push(
    row('profile', profile !== undefined, "found, a Salesforce profile at a listed host, and this connection's"),
    row('limits', isDryRunThrough, "lifetimes, intervals and AppFlow's limits kept"),
    row('grant', isDryRunThrough, 'supported by AppFlow here'),
    salesforceCheck(row('salesforce', isThrough, 'accepts the credentials'), known),
    isThrough
      ? { check: 'refresh', result: 'ok', detail: 'would work now' }
      : { check: 'refresh', result: 'failed', detail: 'would fail', ...unplaced(verdict, step, isShown) },
  );
  return checks;
}

/** A verdict that belongs to no step, such as a denied call, is told at the end. */
function unplaced(verdict: ConnectionReport['error'], step: Step | undefined, isShown: boolean) {
  return verdict === undefined || step !== undefined || isShown ? {} : { error: verdict };
}

function tagDetail(target: Target | RefreshError | undefined): string {
  if (target === undefined || target instanceof RefreshError) return '';
  return `profile ${target.connectorProfileName}, every ${target.intervalSeconds} s`;
}

function valueDetail({ grantType, handOver, loginUrl, connectorProfileName }: Connection): string {
  return `${grantType}, handed over as ${handOver} to the profile ${connectorProfileName} alone, log-in at ${loginUrl}`;
}

function keyDetail(connection: Connection): string {
  if (connection.grantType !== 'JWT_BEARER') return '';
  const next = connection.nextKey === undefined ? '' : '; a next key is waiting';
  return `${'pem' in connection.key ? 'RSA, in the secret' : `in KMS: ${connection.key.kmsKeyId}`}${next}`;
}

function certificateCheck(end: Date | undefined, at: Date): Check {
  if (end === undefined)
    return { check: 'certificate', result: 'warning', detail: 'not in the secret, so nobody watches its end' };
  const days = Math.floor((end.getTime() - at.getTime()) / 86_400_000);
  const day = end.toISOString().slice(0, 10);
  if (days < 0) return { check: 'certificate', result: 'failed', detail: `ended on ${day}` };
  return {
    check: 'certificate',
    result: days < CERTIFICATE_WARN_DAYS ? 'warning' : 'ok',
    detail: `ends on ${day}, in ${days} days`,
  };
}

function salesforceCheck(check: Check, connection: Connection | undefined): Check {
  if (check.result !== 'ok' || connection?.grantType !== 'AUTHORIZATION_CODE') return check;
  return { ...check, result: 'not-asked', detail: 'not asked: a refresh token is spent by real refreshes alone' };
}

const MARKS = {
  ok: paint('green', '✓'),
  failed: paint('red', '✗'),
  warning: paint('yellow', '!'),
  'not-reached': paint('dim', '–'),
  'not-asked': paint('dim', '–'),
} as const;

function shownList({ name }: Surveyed, report: ConnectionReport | undefined, checks: readonly Check[]) {
  const isWell = report !== undefined && report.outcome !== 'failed';
  return lines([
    text`${isWell ? paint('green', '✓') : paint('red', '✗')} ${paint('bold', name)}`,
    ...checks.map(({ check, result, detail, error }) => {
      const said = error === undefined ? detail : indent(trouble(error), ' '.repeat(15));
      return text`  ${MARKS[result]} ${check.padEnd(12)} ${said}`;
    }),
  ]);
}
