import type { Target } from './connection/target.ts';
import type { Context } from './context.ts';
import { orRefreshError, RefreshError } from './errors.ts';
import type { FlowUse, ListedSecret, Notice, NoticeKind, Profile } from './ports.ts';
import type { Served } from './report.ts';
import type { Run } from './run.ts';
import { type Attempt, attemptOf, type Dates, dueSince, isRecovery } from './schedule.ts';
import { bounded, enumerated } from './wording.ts';

/**
 * The events that tell people of one connection what its alarms, which are sums, cannot. There is no state behind them: whether to tell follows
 * from AWS's dates alone, so a connection that stays broken is told twice at most, and what passes within the patience of the alarm never.
 */

/** What a notice says, before flows and the line for people are added. */
export type Told = Omit<Notice['detail'], 'flows' | 'summary'> & { readonly kind: NoticeKind };

/** Characters of a summary at most: message, hint and five flows fit in. */
const MOST_SUMMARY = 2_000;

/** What became of the connections of a run, as far as somebody must hear of it. */
export async function noticesOf(served: readonly Served[], context: Context): Promise<readonly Told[]> {
  const told = await Promise.all(served.map((one) => noticeOf(one, context)));
  return told.filter((one) => one !== undefined);
}

async function noticeOf({ report, error, asked }: Served, context: Context): Promise<Told | undefined> {
  if (asked?.profile === undefined) return undefined;
  const { target, profile } = asked;
  const { connection, connectorProfileName, grantType } = report;
  const about = { connection, connectorProfileName, ...(grantType === undefined ? {} : { grantType }) };
  if (error !== undefined) {
    // A person who asked reads the report, and what a failed flow asked for is due later: only the schedule's attempts are told.
    if (target.unlessUpdatedAfter === undefined || target.isHealing === true) return undefined;
    const dates = datesFor(target, profile, await secretOf(target, context));
    const attempt = attemptOf(dates, target.unlessUpdatedAfter, context.rules.tickSeconds);
    if (attempt === undefined || !isTold(error, attempt, target.isRetry === true)) return undefined;
    const { code, message, hint } = error;
    return { kind: 'Connection Failed', ...about, since: dueSince(dates).toISOString(), code, message, hint };
  }
  if (report.outcome !== 'refreshed') return undefined;
  const since = await recoveredSince(target, profile, context);
  return since === undefined ? undefined : { kind: 'Connection Recovered', ...about, since: since.toISOString() };
}

function isTold(error: RefreshError, { isFirst, endsPatience }: Attempt, isRetry: boolean): boolean {
  // The queue's second try belongs to the same attempt, of which the first has told that the patience is over.
  return (isFirst && !error.retryable) || (endsPatience && !isRetry);
}

/** Since when a connection that has just been refreshed had wanted it, where it had to wait for more than a tick. */
async function recoveredSince(target: Target, profile: Profile, context: Context): Promise<Date | undefined> {
  const { rules, run } = context;
  if (isRecovery(datesFor(target, profile, undefined), run.now(), rules.tickSeconds))
    return new Date(profile.updatedAt.getTime() + target.intervalSeconds * 1000);
  // A profile that is younger than its connection was deleted and made again. One apply of Terraform makes both within a tick.
  if (profile.updatedAt > profile.createdAt) return undefined;
  const secret = await secretOf(target, context);
  const isMadeAgain =
    secret !== undefined && profile.createdAt.getTime() - secret.createdAt.getTime() > rules.tickSeconds * 1000;
  return isMadeAgain ? profile.createdAt : undefined;
}

/** The operator's secret, for its dates; nothing where it cannot be looked at, for whatever reason: the profile's dates must do then. */
async function secretOf({ connection }: Target, { rules, ports, run }: Context): Promise<ListedSecret | undefined> {
  const secret = await orRefreshError(() => ports.secrets.describe(rules.secretPrefix + connection, run));
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

/** Milliseconds for finding the flows at most: without them a notice still says what is wrong. */
const FLOWS_WITHIN = 10_000;

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
  const flows = await orRefreshError(() => soon(run, (hurried) => ports.flows.flowsOf(names, hurried)));
  const notices = told.map((one) =>
    noticeFrom(one, flows instanceof RefreshError ? undefined : (flows.get(one.connectorProfileName) ?? [])),
  );
  const put = await orRefreshError(() => ports.notices.put(notices, run));
  return { notices, problems: [flows, put].filter((one) => one instanceof RefreshError) };
}

/** What takes too long ends as at the deadline of a run: half of what is left belongs to the telling. */
async function soon<T>(run: Run, get: (hurried: Run) => Promise<T>): Promise<T> {
  const most = Math.max(0, Math.min(FLOWS_WITHIN, (run.deadline - run.now()) / 2));
  const over = new AbortController();
  const timer = run.timer(most);
  void timer.rung.then(() => over.abort());
  try {
    return await get({ ...run, deadline: run.now() + most, signal: AbortSignal.any([run.signal, over.signal]) });
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
  return ` Flows: ${enumerated(flows.map(({ flowName, trigger }) => `${flowName} (${trigger})`))}.`;
}
