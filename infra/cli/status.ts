import Table from 'cli-table3';
import { RefreshError } from '../../functions/core/errors.ts';
import { CERTIFICATE_WARN_DAYS } from '../../functions/core/grants/jwt-bearer.ts';
import { flowTroubles, flowUsesOf, shownFlows } from './flow-uses.ts';
import { EXPLAINED, type Health, healthOf, jsonOf, STATES, type State } from './health.ts';
import {
  EXIT,
  type ExitCode,
  exitCodeOfReports,
  note,
  paint,
  relative,
  say,
  sayJson,
  span,
  Text,
  text,
  trouble,
} from './output.ts';
import { pastOf } from './past.ts';
import { orError, type Session } from './session.ts';
import { survey } from './survey.ts';
import { endedSession, verdictsOf } from './verdict.ts';

const DAY = 86_400_000;

/** `status`: is something wrong with a connection, and if so, with which and why? */
export async function statusCommand(
  session: Session,
  { why, flows: areFlowsAsked, stage }: { readonly why: boolean; readonly flows: boolean; readonly stage: string },
): Promise<ExitCode> {
  const isTold = areFlowsAsked || why;
  const [surveyed, escrow] = await Promise.all([
    survey(session),
    orError(() => session.ports.escrow.list(session.run())),
  ]);
  const { at, connections, unservedProfiles } = surveyed;
  const [{ of, log }, verdicts, usesOf] = await Promise.all([
    pastOf(session, surveyed, stage),
    why ? verdictsOf(session, connections) : undefined,
    // What AppFlow cannot log in with no probe finds.
    isTold ? flowUsesOf(session, connections) : undefined,
  ]);
  const inEscrow = new Set(escrow instanceof RefreshError ? [] : escrow);
  const rows = connections.map((one) =>
    healthOf(one, {
      at,
      past: of(one.name),
      isInEscrow: inEscrow.has(one.name),
      verdict: verdicts?.get(one.name),
      flows: isTold ? (usesOf?.(one) ?? null) : undefined,
    }),
  );
  const ok = rows.every(({ state }) => STATES[state] === 'well');
  if (log instanceof RefreshError)
    note`The functions' log was not read, so failures in it are not shown: ${log.message} ${log.hint}`;
  if (session.json) {
    const known =
      log instanceof RefreshError ? { read: false, error: { code: log.code, message: log.message } } : { read: true };
    sayJson({
      ok,
      at: at.toISOString(),
      connections: rows.map((row) => jsonOf(row, at)),
      unservedProfiles,
      log: known,
    });
  } else {
    if (rows.length === 0) note`There is no secret under ${session.rules.secretPrefix}: add NAME makes one.`;
    else {
      say`${table(rows, at)}`;
      for (const row of rows) for (const line of explanations(row, at, areFlowsAsked)) say`${line}`;
    }
    if (unservedProfiles.length > 0)
      say`${paint('dim', `Salesforce profiles that no connection refreshes: ${unservedProfiles.join(', ')}`)}`;
    if (rows.length > 0) say`${summary(rows, why, ok)}`;
  }
  return ok ? EXIT.well : failureOf(rows);
}

/** Where no connection could be tried since AWS could not be asked, that is no news about any of them. */
function failureOf(rows: readonly Health[]): ExitCode {
  const isUntried = rows.every(({ problems, past }) => problems.length === 0 && past.edited?.isCertain !== true);
  const reports = rows.flatMap(({ verdict }) => verdict?.report ?? []);
  return isUntried && exitCodeOfReports(reports) === EXIT.aws ? EXIT.aws : EXIT.unwell;
}

/** In 80 columns for names of usual length: what is the same in every row, or in most, is left out. */
function table(rows: readonly Health[], at: Date): Text {
  const columns = COLUMNS.filter(({ title, always }) => always || rows.some((row) => CELLS[title](row, at) !== ''));
  const head = columns.map(({ title }) => paint('dim', title));
  const body = rows.map((row) => columns.map(({ title }) => CELLS[title](row, at)));
  return Text.arranged([head, ...body], drawn);
}

function drawn(rows: readonly string[][]): string {
  const grid = new Table({
    // No lines between the columns: narrower, and a pipe can cut it.
    chars: BARE,
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 2 },
  });
  grid.push(...rows);
  return grid
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

type Cell = string | Text;

const CELLS = {
  '': ({ state }) => paint(COLOUR[state], SIGN[state]),
  connection: ({ surveyed: { name }, state }) => (STATES[state] === 'failure' ? paint('red', name) : name),
  state: ({ state, surveyed: { timing } }, at) => {
    const since =
      timing === undefined || timing.dueSince > at ? undefined : span(at.getTime() - timing.dueSince.getTime());
    const isTimed = since !== undefined && (state === 'due' || state === 'overdue');
    return paint(COLOUR[state], isTimed ? `${state} ${since}` : state);
  },
  age: ({ surveyed: { timing } }, at) => (timing === undefined ? '' : span(at.getTime() - timing.updatedAt.getTime())),
  'next attempt': ({ surveyed: { timing } }, at) => (timing === undefined ? '' : relative(timing.nextAttempt, at)),
  grant: ({ surveyed: { connection }, unread }) => {
    if (connection !== undefined && !(connection instanceof RefreshError)) return connection.grantType;
    return unread === undefined ? paint('red', '✗') : '?';
  },
  profile: ({ surveyed: { name, target, profile } }) => {
    const isKnown = target !== undefined && !(target instanceof RefreshError);
    const profileName = isKnown ? target.connectorProfileName : '?';
    const wrong = profile instanceof RefreshError ? PROFILE_TROUBLE[profile.code] : undefined;
    if (wrong !== undefined) return text`${profileName} ${paint('red', `(${wrong})`)}`;
    return profileName === name ? '' : profileName;
  },
  'certificate ends': ({ surveyed: { certificateEnd } }, at) =>
    certificateEnd === undefined ? '' : daysLeft(certificateEnd, at),
} as const satisfies Record<string, (row: Health, at: Date) => Cell>;

const COLUMNS: readonly { readonly title: keyof typeof CELLS; readonly always: boolean }[] = [
  { title: '', always: true },
  { title: 'connection', always: true },
  { title: 'state', always: true },
  { title: 'age', always: true },
  { title: 'next attempt', always: true },
  { title: 'grant', always: true },
  { title: 'profile', always: false },
  { title: 'certificate ends', always: false },
];

const BARE = {
  ...{
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    mid: '',
    'left-mid': '',
    'mid-mid': '',
    'right-mid': '',
  },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '', left: '', right: '', middle: '' },
};

const COLOUR = {
  healthy: 'green',
  unproven: 'yellow',
  fresh: 'dim',
  due: 'yellow',
  overdue: 'red',
  failing: 'red',
  edited: 'red',
  unhealthy: 'red',
} as const satisfies Record<State, string>;

const SIGN: Readonly<Record<State, string>> = {
  healthy: '✓',
  unproven: '?',
  fresh: '·',
  due: '●',
  overdue: '✗',
  failing: '✗',
  edited: '✗',
  unhealthy: '✗',
};

const PROFILE_TROUBLE: Readonly<Record<string, string>> = {
  PROFILE_NOT_FOUND: 'missing',
  PROFILE_SHARED: 'served by another',
  PROFILE_MISMATCH: 'not what the value says',
  INSTANCE_HOST_REFUSED: 'at a refused host',
  PROFILE_NOT_SALESFORCE: 'not Salesforce',
};

function daysLeft(end: Date, at: Date): Cell {
  const days = Math.floor((end.getTime() - at.getTime()) / DAY);
  const left = days < 0 ? `${end.toISOString().slice(0, 10)}, ended` : `in ${days} d`;
  if (days >= CERTIFICATE_WARN_DAYS) return left;
  return paint(days < 0 ? 'red' : 'yellow', `${left} !`);
}

/** What the table has no room for: one entry a problem. */
function explanations(health: Health, at: Date, areFlowsAsked: boolean): Text[] {
  const { surveyed, past, problems, unread, verdict, flows, doubts } = health;
  const { name, timing } = surveyed;
  const { edited, lastFailure } = past;
  const lines = problems.map((problem) => text`${name}: ${trouble(problem)}`);
  if (unread !== undefined) lines.push(text`${name}: grant unknown: ${unread.code}: ${unread.message}`);
  const failed = verdict?.report.error;
  if (failed !== undefined && !problems.some(({ code }) => code === failed.code))
    lines.push(text`${name}: ${trouble(failed)}`);
  if (edited !== undefined) lines.push(editedLine(name, edited, at));
  // What a probe finds now says more than what an attempt found then.
  if (lastFailure !== undefined && lastFailure.code !== failed?.code) {
    const { code = 'a bug', message, hint = `logs ${name} shows more.` } = lastFailure;
    lines.push(
      text`${name}: its last attempt failed ${relative(lastFailure.at, at)}: ${trouble({ code, message, hint })}`,
    );
  }
  if (verdict?.session === 'ended') lines.push(text`${name}: ${trouble(endedSession(name))}`);
  for (const line of flowTroubles(name, flows ?? [], failed !== undefined, at)) lines.push(text`${name}: ${line}`);
  const unsaid = doubts.filter((doubt) => !EXPLAINED.has(doubt));
  if (unsaid.length > 0) lines.push(text`${name}: ${unsaid.join('; ')}.`);
  if (failed === undefined && verdict !== undefined && (timing?.isOverdue === true || lastFailure !== undefined)) {
    const { outcome } = verdict.report;
    lines.push(
      text`${name}: the dry run finds nothing wrong: it ${outcome === 'would-refresh' ? 'would refresh' : outcome}.\n  → Run refresh ${name}, and if it works look whether dispatch runs.`,
    );
  } else if (
    verdict === undefined &&
    timing?.isOverdue === true &&
    problems.length === 0 &&
    lastFailure === undefined
  ) {
    lines.push(text`${name}: overdue.\n  → status --why, or check ${name}, says why.`);
  }
  if (areFlowsAsked && flows !== undefined && flows !== null && flows.length > 0)
    lines.push(text`${name}: ${shownFlows(flows)}`);
  return lines;
}

function editedLine(name: string, edited: NonNullable<Health['past']['edited']>, at: Date): Text {
  const when = `${relative(edited.at, at)} (${edited.at.toISOString().slice(0, 19)}Z)`;
  return edited.isCertain
    ? text`${name}: edited by another program ${when}: AppFlow may hold something dead.\n  → Run refresh ${name}, and see who it was: UpdateConnectorProfile in CloudTrail. Terraform needs ignore_changes on the credentials.`
    : text`${name}: updated ${when}, and not by the functions: it was this command line, or another program, and then AppFlow may hold something dead.\n  → If nobody ran refresh ${name} then, run it, and see who it was: UpdateConnectorProfile in CloudTrail.`;
}

const ORDER: readonly State[] = ['healthy', 'unproven', 'fresh', 'due', 'overdue', 'failing', 'edited', 'unhealthy'];

function summary(rows: readonly Health[], why: boolean, ok: boolean): Text {
  const parts = ORDER.flatMap((wanted) => {
    const count = rows.filter(({ state }) => state === wanted).length;
    return count === 0 ? [] : [`${count} ${wanted}`];
  });
  const found = `${rows.length} connection${rows.length === 1 ? '' : 's'}: ${parts.join(', ')}.`;
  const isProved = rows.every(({ state }) => state === 'healthy');
  const told = paint(ok ? (isProved ? 'green' : 'bold') : 'red', found);
  return text`${told}${why ? ' Each was tried in a dry run, and at Salesforce where that spends nothing.' : ' Nothing was tried: status --why does.'}`;
}
