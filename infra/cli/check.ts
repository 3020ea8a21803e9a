import type { Connection } from '../../functions/core/connection/connection.ts';
import type { Target } from '../../functions/core/connection/target.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import { CERTIFICATE_WARN_DAYS } from '../../functions/core/grants/jwt-bearer.ts';
import { type ConnectionReport, type ShownError, shown } from '../../functions/core/report.ts';
import { type FlowSeen, flowTroubles, flowUsesOf, refusedFlows, shownFlows } from './flow-uses.ts';
import { SESSION_UNKNOWN } from './health.ts';
import {
  EXIT,
  type ExitCode,
  exitCodeOfReports,
  indent,
  lines,
  note,
  paint,
  relative,
  say,
  sayJson,
  type Text,
  text,
  trouble,
} from './output.ts';
import { type Past, pastOf } from './past.ts';
import { chosenNames } from './refresh.ts';
import type { Session } from './session.ts';
import { type Surveyed, survey } from './survey.ts';
import { shownTrail, trailVerdict } from './trail.ts';
import { endedSession, type Verdict, verdictsOf } from './verdict.ts';

type Step = 'secret' | 'tags' | 'value' | 'key' | 'certificate' | 'profile' | 'limits' | 'grant' | 'salesforce';

/** One line of the checklist. */
interface Check {
  readonly check: Step | 'session' | 'update' | 'log' | 'flows' | 'refresh';
  readonly result: 'ok' | 'failed' | 'warning' | 'unproven' | 'not-reached' | 'not-asked';
  readonly detail: string;
  readonly error?: ShownError;
  /** For people, instead of the detail. */
  readonly told?: Text;
}

/** `check`: what can be known about connections without changing anything, step by step. */
export async function checkCommand(
  session: Session,
  { names, all, stage }: { readonly names: readonly string[]; readonly all: boolean; readonly stage: string },
): Promise<ExitCode> {
  const chosen = await chosenNames(session, names, all);
  const surveyed = await survey(session, chosen);
  const { at, connections } = surveyed;
  const [verdicts, { of, log }, usesOf, trail] = await Promise.all([
    verdictsOf(session, connections),
    pastOf(session, surveyed, stage),
    flowUsesOf(session, connections),
    trailVerdict(session),
  ]);
  const lists = connections.map((one) => {
    const verdict = verdicts.get(one.name);
    const checks = checklist(one, verdict, { at, past: of(one.name), log, flows: usesOf?.(one) });
    return { surveyed: one, report: verdict?.report, checks };
  });
  const told = lists.flatMap(({ report }) => report ?? []);
  // The dry run knows nothing of these.
  const isUnwell = lists.some(({ checks }) =>
    checks.some(({ check, result }) => UNTRIED.has(check) && result === 'failed'),
  );
  if (session.json) {
    sayJson({
      ok: !isUnwell && told.every(({ outcome }) => outcome !== 'failed'),
      dryRun: true,
      connections: lists.map(({ report, checks }) => ({
        ...report,
        checks: checks.map(({ told: _told, ...check }) => check),
      })),
      trail,
    });
  } else {
    if (lists.length === 0) note`There is no secret under ${session.rules.secretPrefix}.`;
    for (const { surveyed: one, checks } of lists) say`${shownList(one, checks)}`;
    const line = shownTrail(trail);
    if (line !== undefined) say`${line}`;
  }
  const code = exitCodeOfReports(told);
  return code === EXIT.well && isUnwell ? EXIT.unwell : code;
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

/** What is known besides of each connection. */
interface Known {
  readonly at: Date;
  readonly past: Past;
  /** From when on the functions' log is known, or why it is not. */
  readonly log: Date | RefreshError;
  readonly flows: readonly FlowSeen[] | undefined;
}

function checklist(surveyed: Surveyed, verdict: Verdict | undefined, { at, past, log, flows }: Known): Check[] {
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
  const report = verdict?.report;
  const refusal = report?.error;
  // Of a probe that failed the dry run alone came to its end.
  const isDryRunThrough = verdict?.isRehearsed === true;
  // Only what the parts above do not show already: of several faults the dry run names the first.
  const isShown = [...failures.values()].some(({ code }) => code === refusal?.code);
  const step = refusal === undefined || isShown ? undefined : STEP_OF[refusal.code];
  if (refusal !== undefined && step !== undefined) failures.set(step, refusal);

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
    salesforceCheck(row('salesforce', isThrough, ''), verdict),
    ...sessionCheck(surveyed, verdict),
    updateCheck(surveyed, past, at),
    logCheck(past, log, at),
    flowsCheck(surveyed, flows, !isThrough, at),
    isThrough
      ? refreshCheck(verdict)
      : { check: 'refresh', result: 'failed', detail: 'would fail', ...unplaced(refusal, step, isShown) },
  );
  return checks;
}

function salesforceCheck(check: Check, verdict: Verdict | undefined): Check {
  if (check.result !== 'ok' || verdict?.proof === undefined) return check;
  const { state, detail } = verdict.proof;
  return { ...check, result: state === 'proven' ? 'ok' : 'unproven', detail };
}

function refreshCheck(verdict: Verdict | undefined): Check {
  return verdict?.proof?.state === 'proven'
    ? { check: 'refresh', result: 'ok', detail: 'would work now' }
    : { check: 'refresh', result: 'unproven', detail: 'nothing wrong is found, and not proved that it would work' };
}

/** Whether Salesforce still takes what AppFlow was given, where that is an access token alone. */
function sessionCheck({ name }: Surveyed, verdict: Verdict | undefined): Check[] {
  switch (verdict?.session) {
    case undefined:
      return [];
    case 'lives':
      return [{ check: 'session', result: 'ok', detail: 'Salesforce takes the access token that AppFlow was given' }];
    case 'ended': {
      const error = endedSession(name);
      return [{ check: 'session', result: 'failed', detail: error.message, error }];
    }
    case 'unknown':
      return [{ check: 'session', result: 'unproven', detail: SESSION_UNKNOWN }];
  }
}

/** Which flows are at stake, and whether AppFlow could log in for them. */
function flowsCheck({ name }: Surveyed, flows: readonly FlowSeen[] | undefined, wouldFail: boolean, at: Date): Check {
  if (flows === undefined) return { check: 'flows', result: 'not-asked', detail: 'could not be read' };
  const detail = shownFlows(flows);
  const troubles = flowTroubles(name, flows, wouldFail, at);
  if (troubles.length === 0) return { check: 'flows', result: 'ok', detail };
  const result = refusedFlows(flows).length > 0 ? 'failed' : 'unproven';
  return { check: 'flows', result, detail, told: lines([detail, ...troubles]) };
}

/** Whether AppFlow holds what was handed over last, as far as the date of its last update tells. */
function updateCheck({ name, timing }: Surveyed, { edited, untold }: Past, at: Date): Check {
  if (timing === undefined) return { check: 'update', result: 'not-reached', detail: 'not reached' };
  const when = relative(timing.updatedAt, at);
  if (edited?.isCertain === true)
    return {
      check: 'update',
      result: 'failed',
      detail: `edited by another program ${when}: run refresh ${name}, and see UpdateConnectorProfile in CloudTrail`,
    };
  if (edited !== undefined)
    return {
      check: 'update',
      result: 'warning',
      detail: `${when}, and not by the functions: by this command line, or by another program`,
    };
  if (timing.dueSince <= at) {
    const since = `${when}, and a refresh is due since ${timing.dueSince.toISOString().slice(0, 19)}Z`;
    return {
      check: 'update',
      result: 'warning',
      detail: `${since}: the next attempt comes ${relative(timing.nextAttempt, at)}`,
    };
  }
  return untold === undefined
    ? { check: 'update', result: 'ok', detail: when }
    : { check: 'update', result: 'unproven', detail: `${when}; ${untold}` };
}

/** A failure in the past is no verdict: whether a refresh would work now stands in its own line. */
function logCheck({ lastFailure }: Past, log: Date | RefreshError, at: Date): Check {
  if (log instanceof RefreshError)
    return { check: 'log', result: 'not-asked', detail: `not read: ${log.code}: ${log.message}` };
  if (lastFailure === undefined) return { check: 'log', result: 'ok', detail: 'no failure since the last update' };
  const { code = 'a bug', message } = lastFailure;
  return {
    check: 'log',
    result: 'warning',
    detail: `the last attempt failed ${relative(lastFailure.at, at)}: ${code}: ${message}`,
  };
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

const MARKS = {
  ok: paint('green', '✓'),
  failed: paint('red', '✗'),
  warning: paint('yellow', '!'),
  unproven: paint('yellow', '?'),
  'not-reached': paint('dim', '–'),
  'not-asked': paint('dim', '–'),
} as const;

function shownList({ name }: Surveyed, checks: readonly Check[]) {
  return lines([
    text`${MARKS[overall(checks)]} ${paint('bold', name)}`,
    ...checks.map(({ check, result, detail, error, told }) => {
      const said = error === undefined ? (told ?? detail) : trouble(error);
      return text`  ${MARKS[result]} ${check.padEnd(12)} ${indent(said, ' '.repeat(15))}`;
    }),
  ]);
}

/** The gravest of what says something about the next refresh, or about what AppFlow holds. A certificate that nobody watches is no reason to worry now. */
function overall(checks: readonly Check[]): 'failed' | 'unproven' | 'warning' | 'ok' {
  const results = new Set(checks.flatMap(({ check, result }) => (WEIGHTY.has(check) ? [result] : [])));
  // What AppFlow could not be asked about its flows proves nothing; that the log was not read is in the line of the update, where it matters.
  if (checks.some(({ check, result }) => check === 'flows' && result === 'not-asked')) results.add('unproven');
  return (['failed', 'unproven', 'warning'] as const).find((one) => results.has(one)) ?? 'ok';
}

/** What no refresh finds. */
const UNTRIED: ReadonlySet<Check['check']> = new Set(['session', 'update', 'flows']);
const WEIGHTY: ReadonlySet<Check['check']> = new Set([...UNTRIED, 'log', 'refresh']);
