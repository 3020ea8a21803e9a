import Table from 'cli-table3';
import { RefreshError } from '../../functions/core/errors.ts';
import { CERTIFICATE_WARN_DAYS } from '../../functions/core/grants/jwt-bearer.ts';
import type { ConnectionReport } from '../../functions/core/report.ts';
import { EXIT, type ExitCode, note, paint, relative, say, sayJson, span, Text, text, trouble } from './output.ts';
import { serveAll } from './refresh.ts';
import { orError, type Session } from './session.ts';
import { type Surveyed, survey } from './survey.ts';

const DAY = 86_400_000;

type State = 'healthy' | 'due' | 'unhealthy';

/** One line of the table. */
interface Row {
  readonly surveyed: Surveyed;
  readonly state: State;
  readonly problems: readonly RefreshError[];
  /** Why the secret's value could not be read, where that says nothing about the connection. */
  readonly unread: RefreshError | undefined;
  readonly verdict: ConnectionReport | undefined;
}

/** `status`: is every connection healthy, and if not, which and why? */
export async function statusCommand(session: Session, { why }: { readonly why: boolean }): Promise<ExitCode> {
  const [{ at, connections, unservedProfiles }, escrow] = await Promise.all([
    survey(session),
    orError(() => session.ports.escrow.list(session.run())),
  ]);
  const names = connections.map(({ name }) => name);
  const verdicts = why ? await serveAll(session, names, true, () => undefined) : { reports: [] };
  const inEscrow = new Set(escrow instanceof RefreshError ? [] : escrow);
  const rows = connections.map((surveyed) =>
    rowOf(
      surveyed,
      at,
      inEscrow.has(surveyed.name),
      verdicts.reports.find(({ connection }) => connection === surveyed.name),
    ),
  );
  const ok = rows.every(({ state }) => state !== 'unhealthy');
  if (session.json) {
    sayJson({ ok, at: at.toISOString(), connections: rows.map((row) => jsonOf(row, at)), unservedProfiles });
  } else {
    if (rows.length === 0) note`There is no secret under ${session.rules.secretPrefix}: add NAME makes one.`;
    else {
      say`${table(rows, at)}`;
      for (const row of rows) for (const line of explanations(row)) say`${line}`;
    }
    if (unservedProfiles.length > 0)
      say`${paint('dim', `Salesforce profiles that no connection refreshes: ${unservedProfiles.join(', ')}`)}`;
    if (rows.length > 0) say`${summary(rows, why)}`;
  }
  return ok ? EXIT.well : EXIT.unwell;
}

function rowOf(surveyed: Surveyed, at: Date, isInEscrow: boolean, verdict: ConnectionReport | undefined): Row {
  const { name, secret, target, value, connection, profile, timing, certificateEnd } = surveyed;
  const problems = [secret, target, connection, profile].filter((part) => part instanceof RefreshError);
  const isMissing = value instanceof RefreshError && value.code === 'SECRET_NOT_FOUND';
  if (isMissing) problems.push(value);
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
  const isUnhealthy = problems.length > 0 || timing?.isOverdue === true || verdict?.outcome === 'failed';
  const isDue = timing !== undefined && timing.dueSince <= at;
  return {
    surveyed,
    state: isUnhealthy ? 'unhealthy' : isDue ? 'due' : 'healthy',
    problems,
    unread: value instanceof RefreshError && !isMissing ? value : undefined,
    verdict,
  };
}

function table(rows: readonly Row[], at: Date): Text {
  const head = HEAD.map((title) => paint('dim', title));
  return Text.arranged([head, ...rows.map((row) => cells(row, at))], drawn);
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

function cells({ surveyed, state, unread }: Row, at: Date): (string | Text)[] {
  const { name, target, connection, profile, timing, certificateEnd } = surveyed;
  const profileName = target === undefined || target instanceof RefreshError ? '?' : target.connectorProfileName;
  const profileTrouble = profile instanceof RefreshError ? PROFILE_TROUBLE[profile.code] : undefined;
  const isKnown = connection !== undefined && !(connection instanceof RefreshError);
  const isDue = timing !== undefined && timing.dueSince <= at;
  return [
    MARK[state],
    state === 'unhealthy' ? paint('red', name) : name,
    profileTrouble === undefined ? profileName : text`${profileName} ${paint('red', `(${profileTrouble})`)}`,
    isKnown ? connection.grantType : unread === undefined ? paint('red', '✗') : '?',
    timing === undefined ? '' : span(at.getTime() - timing.updatedAt.getTime()),
    !isDue ? '' : paint(timing.isOverdue ? 'red' : 'yellow', relative(timing.dueSince, at)),
    timing === undefined ? '' : relative(timing.nextAttempt, at),
    certificateEnd === undefined ? '' : daysLeft(certificateEnd, at),
  ];
}

const HEAD = ['', 'connection', 'profile', 'grant', 'age', 'due since', 'next attempt', 'certificate ends'];

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

const MARK = {
  healthy: paint('green', '✓'),
  due: paint('yellow', '●'),
  unhealthy: paint('red', '✗'),
} as const;

const PROFILE_TROUBLE: Readonly<Record<string, string>> = {
  PROFILE_NOT_FOUND: 'missing',
  PROFILE_SHARED: 'served by another',
  PROFILE_MISMATCH: 'not what the value says',
  INSTANCE_HOST_REFUSED: 'at a refused host',
  PROFILE_NOT_SALESFORCE: 'not Salesforce',
};

function daysLeft(end: Date, at: Date): string | Text {
  const days = Math.floor((end.getTime() - at.getTime()) / DAY);
  const left = days < 0 ? `${end.toISOString().slice(0, 10)}, ended` : `in ${days} d`;
  if (days >= CERTIFICATE_WARN_DAYS) return left;
  return paint(days < 0 ? 'red' : 'yellow', `${left} !`);
}

/** What the table has no room for: one entry a problem. */
function explanations({ surveyed, problems, unread, verdict }: Row): Text[] {
  const { name, timing } = surveyed;
  const lines = problems.map((problem) => text`${name}: ${trouble(problem)}`);
  if (unread !== undefined) lines.push(text`${name}: grant unknown: ${unread.code}: ${unread.message}`);
  if (verdict?.error !== undefined) {
    const { code } = verdict.error;
    if (!problems.some((problem) => problem.code === code)) lines.push(text`${name}: ${trouble(verdict.error)}`);
  } else if (verdict !== undefined && timing?.isOverdue === true) {
    lines.push(
      text`${name}: the dry run finds nothing wrong: it ${verdict.outcome === 'would-refresh' ? 'would refresh' : verdict.outcome}.\n  → Run refresh ${name}, and if it works look whether dispatch runs.`,
    );
  } else if (verdict === undefined && timing?.isOverdue === true && problems.length === 0) {
    lines.push(text`${name}: overdue.\n  → status --why, or check ${name}, says why.`);
  }
  return lines;
}

function summary(rows: readonly Row[], why: boolean): Text {
  const count = (wanted: State) => rows.filter(({ state }) => state === wanted).length;
  const parts = [`${count('healthy')} healthy`, `${count('due')} due`, `${count('unhealthy')} unhealthy`];
  const isWell = count('unhealthy') === 0;
  const found = `${rows.length} connection${rows.length === 1 ? '' : 's'}: ${parts.join(', ')}.`;
  return text`${paint(isWell ? 'green' : 'red', found)}${why ? ' Each was tried in a dry run.' : ''}`;
}

/** The shape that scripts see; dates are ISO 8601, and what is not known is null. */
function jsonOf({ surveyed, state, problems, unread, verdict }: Row, at: Date) {
  const { name, target, connection, timing, certificateEnd } = surveyed;
  const known = target === undefined || target instanceof RefreshError ? undefined : target;
  const parsed = connection === undefined || connection instanceof RefreshError ? undefined : connection;
  const isDue = timing !== undefined && timing.dueSince <= at;
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
    ...(unread === undefined ? {} : { unread: { code: unread.code, message: unread.message, hint: unread.hint } }),
    ...(verdict === undefined ? {} : { verdict }),
  };
}
