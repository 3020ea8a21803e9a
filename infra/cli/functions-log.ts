import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import * as v from 'valibot';
import { callAws } from '../../functions/adapters/aws-call.ts';
import { orRefreshError, RefreshError } from '../../functions/core/errors.ts';
import type { Run } from '../../functions/core/run.ts';
import { inputError } from './session.ts';

const SERVICE = 'appflow-token-refresher';
export const FUNCTIONS = ['dispatch', 'refresh', 'rotate', 'heal'] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

/** One line that a function has logged about a connection. */
export interface LogLine {
  readonly at: Date;
  readonly function: FunctionName;
  readonly connection: string;
  readonly level: string;
  /** Absent from what is no attempt, such as a warning. */
  readonly outcome: string | undefined;
  readonly code: string | undefined;
  /** Of a rotation. */
  readonly step: string | undefined;
  /** Without the connection, the code and the hint, which stand beside it. */
  readonly message: string;
  readonly hint: string | undefined;
}

export interface LogQuery {
  readonly stage: string;
  readonly functions: readonly FunctionName[];
  /** Every connection unless given. */
  readonly connection?: string;
  readonly from: Date;
  readonly to: Date;
  /** The search goes backwards, and ends as soon as there are so many lines. */
  readonly enough: number;
}

export interface LogFound {
  /** Oldest first. */
  readonly lines: readonly LogLine[];
  /** From when on all lines are here; later than was asked for where there were enough, or too many to search. */
  readonly since: Date;
}

/** Milliseconds that are searched first, since the newest lines are wanted and pages come oldest first. Then twice as many, and so on. */
const FIRST_SLICE = 3_600_000;
/** Pages of a search; each may have taken AWS a megabyte to search. */
const MOST_PAGES = 60;

const text = v.nullish(v.string());
const Answer = v.object({
  nextToken: text,
  events: v.nullish(v.array(v.object({ timestamp: v.nullish(v.number()), message: text }))),
});
/** What the functions log, as far as it is shown. The lines of Lambda's runtime are no JSON of ours. */
const Entry = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    connection: v.string(),
    message: v.string(),
    level: v.string(),
    outcome: v.optional(v.string()),
    code: v.optional(v.string()),
    step: v.optional(v.string()),
    hint: v.optional(v.string()),
  }),
);

/**
 * Searches the log groups of the functions for lines about connections, newest first. A group that is not there has no lines.
 *
 * @throws RefreshError `ACCESS_DENIED` where the log may not be read; `INPUT_INVALID` where no such group exists; `OUT_OF_TIME` where CloudWatch does not answer
 */
export async function searchLog(query: LogQuery, run: Run): Promise<LogFound> {
  const client = new CloudWatchLogsClient({ maxAttempts: 1 });
  const lines: LogLine[] = [];
  let pages = 0;
  let since = query.to;
  for (let slice = FIRST_SLICE; since > query.from && lines.length < query.enough && pages < MOST_PAGES; slice *= 2) {
    const to = since;
    since = new Date(Math.max(query.from.getTime(), to.getTime() - slice));
    const found = await Promise.all(
      query.functions.map((name) => orRefreshError(() => search(client, { ...query, name, from: since, to }, run))),
    );
    const read = found.flatMap((one) => (one instanceof RefreshError ? [] : [one]));
    const errors = found.flatMap((one) => (one instanceof RefreshError ? [one] : []));
    const error = errors.find(({ code }) => code !== 'INPUT_INVALID') ?? (read.length === 0 ? errors[0] : undefined);
    if (error !== undefined) throw error;
    pages += read.reduce((sum, one) => sum + one.pages, 0);
    lines.push(...read.flatMap((one) => one.lines));
  }
  client.destroy();
  return { lines: lines.sort((one, other) => one.at.getTime() - other.at.getTime()), since };
}

async function search(
  client: CloudWatchLogsClient,
  { stage, name, connection, from, to }: Omit<LogQuery, 'enough' | 'functions'> & { readonly name: FunctionName },
  run: Run,
): Promise<{ readonly lines: LogLine[]; readonly pages: number }> {
  const logGroupName = `/aws/lambda/${SERVICE}-${stage}-${name}`;
  const call = {
    action: 'logs:FilterLogEvents',
    resource: logGroupName,
    unavailable: 'OUT_OF_TIME',
    meanings: {
      ResourceNotFoundException: () =>
        inputError(
          `There is no log group ${logGroupName} in this account and Region.`,
          'Give the stage of the deployment as --stage.',
        ),
    },
  } as const;
  const lines: LogLine[] = [];
  let pages = 0;
  let nextToken: string | undefined;
  do {
    const command = new FilterLogEventsCommand({
      logGroupName,
      // Both ends are included: a line must not be found in two slices.
      startTime: from.getTime() + 1,
      endTime: to.getTime(),
      // Names hold neither quotes nor stars.
      filterPattern: `{ $.connection = "${connection ?? '*'}" }`,
      ...(nextToken === undefined ? {} : { nextToken }),
    });
    const answer = v.safeParse(Answer, await callAws(call, run, (options) => client.send(command, options)));
    const { events, nextToken: next } = answer.success ? answer.output : {};
    for (const { timestamp, message } of events ?? []) {
      const entry = v.safeParse(Entry, message);
      if (entry.success && typeof timestamp === 'number') lines.push(lineOf(name, new Date(timestamp), entry.output));
    }
    nextToken = next ?? undefined;
    pages += 1;
  } while (nextToken !== undefined && pages < MOST_PAGES);
  return { lines, pages };
}

function lineOf(name: FunctionName, at: Date, entry: v.InferOutput<typeof Entry>): LogLine {
  const { connection, level, outcome, code, step, hint } = entry;
  let { message } = entry;
  for (const prefix of [`${connection}: `, `${code}: `])
    if (message.startsWith(prefix)) message = message.slice(prefix.length);
  const suffix = ` → ${hint}`;
  if (message.endsWith(suffix)) message = message.slice(0, -suffix.length);
  return { at, function: name, connection, level, outcome, code, step, message, hint };
}

/** Whether an attempt to refresh failed, be it by a bug. What `dispatch` finds wrong is no attempt. */
export function isFailure({ function: name, level, code, outcome }: LogLine): boolean {
  return name !== 'dispatch' && (outcome === 'failed' || code !== undefined || level === 'ERROR');
}

/** Whether the profile was given something. */
export function isUpdate({ outcome, step }: LogLine): boolean {
  return outcome === 'refreshed' || step === 'setSecret';
}
