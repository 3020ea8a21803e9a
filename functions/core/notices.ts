import type { AskingTick, Target } from './connection/target.ts';
import type { Context, Rules } from './context.ts';
import { orRefreshError, RefreshError } from './errors.ts';
import {
  type FlowUse,
  type ListedSecret,
  MOST_FLOWS_TOLD,
  type Notice,
  type NoticeKind,
  type Profile,
} from './ports.ts';
import type { Served } from './report.ts';
import type { Run } from './run.ts';
import { attemptOf, type Dates, dueSince } from './schedule.ts';
import { bounded, enumerated } from './wording.ts';

/**
 * The events that tell people of one connection what its alarms, which are sums, cannot. There is no state behind them: whether to tell follows
 * from AWS's dates alone, so a connection that stays broken is told twice at most, and what passes within the patience of the alarm never.
 */

/** What a notice says, before flows and the line for people are added. */
export type Told = Omit<Notice['detail'], 'flows' | 'summary'> & { readonly kind: NoticeKind };

/** Characters of a summary at most: message, hint and five flows fit in. */
const MOST_SUMMARY = 2_000;

/** Connections whose secrets are looked at at once. */
const AT_ONCE = 10;

/** What became of the connections of a run, as far as somebody must hear of it. */
export async function noticesOf(served: readonly Served[], context: Context): Promise<readonly Told[]> {
  const told: (Told | undefined)[] = [];
  for (let at = 0; at < served.length; at += AT_ONCE)
    told.push(...(await Promise.all(served.slice(at, at + AT_ONCE).map((one) => noticeOf(one, context)))));
  return told.filter((one) => one !== undefined);
}

async function noticeOf({ report, error, asked }: Served, context: Context): Promise<Told | undefined> {
  if (asked === undefined) return undefined;
  const { target, profile } = asked;
  const { connection, connectorProfileName, grantType } = report;
  const about = { connection, connectorProfileName, ...(grantType === undefined ? {} : { grantType }) };
  if (error !== undefined) {
    // A person who asked reads the report, and what a failed flow asked for is due later: only the schedule's attempts are told.
    const { ticks = [] } = target;
    if (ticks.length === 0) return undefined;
    const dates = datesFor(target, profile, await secretOf(target, context));
    if (!ticks.some((tick) => isTold(error, tick, dates, context.rules))) return undefined;
    const { code, message, hint } = error;
    return { kind: 'Connection Failed', ...about, since: dueSince(dates).toISOString(), code, message, hint };
  }
  if (report.outcome !== 'refreshed') return undefined;
  const since = await recoveredSince(target, profile, context);
  return since === undefined ? undefined : { kind: 'Connection Recovered', ...about, since: since.toISOString() };
}

function isTold(
  error: RefreshError,
  { scheduledTime, isRetry }: AskingTick,
  dates: Dates,
  { tickSeconds }: Rules,
): boolean {
  const attempt = attemptOf(dates, scheduledTime, tickSeconds);
  if (attempt === undefined) return false;
  // The queue's second try belongs to the same attempt, of which the first has told that the patience is over.
  return (attempt.isFirst && !error.retryable) || (attempt.endsPatience && !isRetry);
}

/** Milliseconds by which Secrets Manager's listing lags at most: for so long `dispatch` may not know a new connection. */
const LISTING_LAG = 300_000;

/**
 * Since when a connection that has just been refreshed had wanted it, where it had to wait for a tick or more: its first attempt had failed, or had
 * not been made.
 */
async function recoveredSince(target: Target, profile: Profile, context: Context): Promise<Date | undefined> {
  const tick = context.rules.tickSeconds * 1000;
  // The first attempt succeeds later than its tick, by however long queue and refresh take: of it only the tick's own time tells.
  const { ticks = [] } = target;
  const moment =
    ticks.length === 0 ? context.run.now() : Math.max(...ticks.map(({ scheduledTime }) => scheduledTime.getTime()));
  const isLate = (since: number) => moment - since >= tick;
  const due = profile.updatedAt.getTime() + target.intervalSeconds * 1000;
  const isNew = profile.updatedAt <= profile.createdAt;
  if (!isLate(due) && !isNew) return undefined;
  const secret = await secretOf(target, context);
  if (isLate(due)) {
    // A connection that is younger than the last update of its profile has not waited since then.
    if (secret === undefined || secret.createdAt.getTime() <= due) return new Date(due);
    return isLate(secret.createdAt.getTime() + LISTING_LAG) ? secret.createdAt : undefined;
  }
  // A profile that is younger than its connection was deleted and made again. One apply of Terraform makes both within a tick.
  const isMadeAgain = secret !== undefined && profile.createdAt.getTime() - secret.createdAt.getTime() > tick;
  return isMadeAgain ? profile.createdAt : undefined;
}

/** The operator's secret, for its dates; nothing where it cannot be looked at, for whatever reason: the profile's dates must do then. */
async function secretOf({ connection }: Target, { rules, ports, run }: Context): Promise<ListedSecret | undefined> {
  const name = rules.secretPrefix + connection;
  const secret = await orRefreshError(() =>
    within(Math.min(DATES_WITHIN, left(run) / 2), run, (hurried) => ports.secrets.describe(name, hurried)),
  );
  return secret instanceof RefreshError ? undefined : secret;
}

function datesFor({ intervalSeconds }: Target, profile: Profile, secret: ListedSecret | undefined): Dates {
  return {
    secretChangedAt: secret?.changedAt ?? new Date(0),
    profileCreatedAt: profile.createdAt,
    profileUpdatedAt: profile.updatedAt,
    intervalSeconds,
  };
}

/** Milliseconds for looking at the date of a secret at most: what has to be told may be that its store hangs. */
const DATES_WITHIN = 5_000;
/** Milliseconds for finding the flows at most: without them a notice still says what is wrong. */
const FLOWS_WITHIN = 10_000;
/** Milliseconds for putting notices on the bus at most. */
const PUT_WITHIN = 10_000;
/** Milliseconds for it also where the deadline has come: a neighbour that hangs is what people must hear of. Lambda's own end is a little later. */
const PUT_AFTER_ALL = 1_000;

/**
 * Puts notices on the bus, with the flows that each is about. What cannot be told fails nothing.
 *
 * @returns what was told, and what went wrong in telling, for the log
 */
export async function tell(
  told: readonly Told[],
  { ports, run }: Context,
): Promise<{ readonly notices: readonly Notice[]; readonly problems: readonly RefreshError[] }> {
  if (told.length === 0) return { notices: [], problems: [] };
  const names = [...new Set(told.map(({ connectorProfileName }) => connectorProfileName))];
  // Half of what is left belongs to the telling.
  const flows = await orRefreshError(() =>
    within(Math.min(FLOWS_WITHIN, left(run) / 2), run, (hurried) => ports.flows.flowsOf(names, hurried)),
  );
  const notices = told.map((one) =>
    noticeFrom(one, flows instanceof RefreshError ? undefined : (flows.get(one.connectorProfileName) ?? [])),
  );
  const most = Math.max(PUT_AFTER_ALL, Math.min(PUT_WITHIN, left(run)));
  const put = await orRefreshError(() => within(most, run, (late) => ports.notices.put(notices, late)));
  return { notices, problems: [flows, put].filter((one) => one instanceof RefreshError) };
}

/** Milliseconds. */
function left({ deadline, now }: Run): number {
  return Math.max(0, deadline - now());
}

/** What takes longer ends as at the deadline of a run, whose own is not asked: what comes after it has the time that is given here. */
async function within<T>(milliseconds: number, run: Run, get: (timed: Run) => Promise<T>): Promise<T> {
  const over = new AbortController();
  if (milliseconds === 0) over.abort();
  const timer = run.timer(milliseconds);
  void timer.rung.then(() => over.abort());
  try {
    return await get({ ...run, deadline: run.now() + milliseconds, signal: over.signal });
  } finally {
    timer.cancel();
  }
}

function noticeFrom({ kind, ...about }: Told, flows: readonly FlowUse[] | undefined): Notice {
  const detail = flows === undefined ? about : { ...about, flows };
  return { kind, detail: { ...detail, summary: summaryOf(kind, detail) } };
}

/** One line that a person can act on. */
function summaryOf(kind: NoticeKind, detail: Omit<Notice['detail'], 'summary'>): string {
  const { connection, connectorProfileName, since, code, message, hint, flows } = detail;
  const cure = hint === undefined ? '' : ` → ${hint}`;
  const what = {
    'Connection Failed': `has waited for a refresh since ${toSeconds(since)}: ${code}: ${message}${cure}`,
    'Connection Recovered': 'is refreshed again.',
    'Profile Overwritten': `${message}${cure}`,
  }[kind];
  const profile = connectorProfileName === connection ? '' : ` (profile ${connectorProfileName})`;
  return bounded(`${kind}: ${connection}${profile} ${what}${atStake(flows)}`, MOST_SUMMARY);
}

/** `2026-11-24T03:35:00Z`: nobody reads milliseconds. */
function toSeconds(time: string): string {
  return time.replace(/\.\d{3}Z$/, 'Z');
}

function atStake(flows: readonly FlowUse[] | undefined): string {
  if (flows === undefined) return '';
  if (flows.length === 0) return ' No flow uses it.';
  const said = enumerated(flows.map(({ flowName, trigger }) => `${flowName} (${trigger})`));
  // There may be others that were not asked for.
  return ` Flows: ${flows.length < MOST_FLOWS_TOLD ? said : said.replace(/ and (\d+) more$/, ' and at least $1 more')}.`;
}
