import { RefreshError } from '../../functions/core/errors.ts';
import { lastRunOf } from '../../functions/core/probe.ts';
import type { OwnRun } from '../../functions/core/token-rotation/look.ts';
import { isFailure, isUpdate, type LogFound, type LogLine, searchLog } from './functions-log.ts';
import { inTurns } from './in-turns.ts';
import { orError, type Session } from './session.ts';
import type { Survey, Surveyed } from './survey.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
/** Between an update of the profile and the line that tells of it: a batch is logged when all of it is done, and clocks differ. */
const LINE_DELAY = 3 * MINUTE;
/** By which the clock of AppFlow may be ahead of that of the functions: a line comes after its update. */
const CLOCK_ERROR = 2_000;
/** Between the lease of a run and its update: whose it is that comes later, but before the lease ends, only the log tells. */
const PROMPT = 30_000;
/** As far back as the log is searched for the last update. */
const MOST_DAYS = 7 * DAY;
/** Until CloudWatch lets a line be found. */
const INGESTION = 2 * MINUTE;

/** What happened to a connection before somebody looked. */
export interface Past {
  /** The last attempt of the functions, where it failed after the profile was last updated. */
  readonly lastFailure: LogLine | undefined;
  /** Where another program or person has updated the profile last. */
  readonly edited: Edited | undefined;
  /** Why nobody knows who has updated the profile last, where that is so; without a full stop. */
  readonly untold: string | undefined;
}

export interface Edited {
  readonly at: Date;
  /** Whether it cannot have been us. If not, a refresh of this command line is possible too: the functions' log does not know those. */
  readonly isCertain: boolean;
}

export interface Pasts {
  readonly of: (name: string) => Past;
  /** From when on the log is known, or why it is not. */
  readonly log: Date | RefreshError;
}

/** Who has updated each profile last, and which attempt has failed since: from the leases that we keep, and from the functions' log. */
export async function pastOf(session: Session, { at, connections }: Survey, stage: string): Promise<Pasts> {
  // Who has updated a profile that is due matters no more, and attempts are made once a day at least.
  const needed = connections.flatMap(({ timing }) => {
    if (timing === undefined) return [];
    const most = timing.dueSince <= at ? DAY : MOST_DAYS;
    return Math.max(timing.updatedAt.getTime() - LINE_DELAY, at.getTime() - most);
  });
  const from = new Date(Math.min(...needed, at.getTime()));
  const [found, runs] = await Promise.all([
    orError(() =>
      searchLog(
        { stage, functions: ['refresh', 'rotate', 'heal'], from, to: at, enough: Number.POSITIVE_INFINITY },
        session.run(),
      ),
    ),
    inTurns(connections, (surveyed) => runOf(session, surveyed)),
  ]);
  const pasts = new Map(
    connections.map((surveyed, index) => {
      return [
        surveyed.name,
        {
          lastFailure: found instanceof RefreshError ? undefined : lastFailureOf(surveyed, found),
          ...updaterOf(surveyed, runs[index], found, at),
        },
      ];
    }),
  );
  return {
    of: (name) => pasts.get(name) ?? { lastFailure: undefined, edited: undefined, untold: undefined },
    log: found instanceof RefreshError ? found : found.since,
  };
}

/** By the leases that we keep, where we keep any. That they cannot be read is no news about the profile. */
async function runOf(session: Session, { connection }: Surveyed): Promise<OwnRun | undefined> {
  if (connection === undefined || connection instanceof RefreshError) return undefined;
  const run = await orError(() => lastRunOf(connection, session.context()));
  return run instanceof RefreshError ? undefined : run;
}

function lastFailureOf({ name, timing }: Surveyed, { lines }: LogFound): LogLine | undefined {
  const last = lines.findLast((line) => line.connection === name && (isFailure(line) || isUpdate(line)));
  if (last === undefined || isUpdate(last)) return undefined;
  return timing !== undefined && last.at <= timing.updatedAt ? undefined : last;
}

const US = { edited: undefined, untold: undefined } as const;

/** Who has updated the profile last. A lease tells until when it can have been us, and the log which of our runs it was. */
function updaterOf(
  { name, profile, timing }: Surveyed,
  run: OwnRun | undefined,
  found: LogFound | RefreshError,
  at: Date,
): Pick<Past, 'edited' | 'untold'> {
  if (timing === undefined || profile === undefined || profile instanceof RefreshError) return US;
  const { updatedAt, dueSince } = timing;
  const updates =
    found instanceof RefreshError ? [] : found.lines.filter((line) => line.connection === name && isUpdate(line));
  // By what is between an update and its line.
  const lags = updates.map((line) => line.at.getTime() - updatedAt.getTime());
  if (lags.some((lag) => lag >= -CLOCK_ERROR && lag <= LINE_DELAY)) return US;
  const edited = (isCertain: boolean) => ({ edited: { at: updatedAt, isCertain }, untold: undefined });
  if (run !== undefined && updatedAt > run.end) return edited(true);
  // What is due is about to be given something by us; and nobody had to account for updates before there was a connection.
  if (dueSince <= at || updatedAt <= profile.createdAt) return US;
  const untold = (why: string) => ({
    edited: undefined,
    untold: `who has updated its profile last is not known: ${why}`,
  });
  if (run !== undefined) {
    // The run had told of its own update before this one was made.
    if (updates.some((line) => line.at > run.begin && line.at < updatedAt)) return edited(false);
    const isPrompt = updatedAt.getTime() - run.begin.getTime() <= PROMPT;
    return isPrompt
      ? US
      : untold("our last run may have, and so may another program, and the functions' log does not tell");
  }
  if (found instanceof RefreshError) return untold("the functions' log was not read");
  if (updatedAt.getTime() - LINE_DELAY < found.since.getTime())
    return untold("the functions' log was not read as far back as that");
  if (at.getTime() - updatedAt.getTime() <= INGESTION)
    return untold("that was a moment ago, and the functions' log does not show it yet");
  return edited(false);
}
