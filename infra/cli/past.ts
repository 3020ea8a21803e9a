import { RefreshError } from '../../functions/core/errors.ts';
import { lastUpdatedBy } from '../../functions/core/probe.ts';
import { isFailure, isUpdate, type LogFound, type LogLine, searchLog } from './functions-log.ts';
import { inTurns } from './in-turns.ts';
import { orError, type Session } from './session.ts';
import type { Survey, Surveyed } from './survey.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;
/** Between an update of the profile and the line that tells of it: a batch is logged when all of it is done, and clocks differ. */
const LINE_DELAY = 3 * MINUTE;
/** Until CloudWatch lets a line be found. */
const INGESTION = 2 * MINUTE;

/** What happened to a connection before somebody looked. */
export interface Past {
  /** The last attempt of the functions, where it failed after the profile was last updated. */
  readonly lastFailure: LogLine | undefined;
  /** Where another program or person has updated the profile last. */
  readonly edited: Edited | undefined;
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
  const updates = connections.flatMap(({ timing }) => timing?.updatedAt.getTime() ?? []);
  const from = new Date(Math.max(at.getTime() - DAY, Math.min(...updates, at.getTime()) - LINE_DELAY));
  const [found, updaters] = await Promise.all([
    orError(() =>
      searchLog(
        { stage, functions: ['refresh', 'rotate', 'heal'], from, to: at, enough: Number.POSITIVE_INFINITY },
        session.run(),
      ),
    ),
    inTurns(connections, (surveyed) => updaterOf(session, surveyed)),
  ]);
  const pasts = new Map(
    connections.map((surveyed, index) => {
      const by = updaters[index] ?? 'unknown';
      return [
        surveyed.name,
        {
          lastFailure: found instanceof RefreshError ? undefined : lastFailureOf(surveyed, found),
          edited: editOf(surveyed, by, found, at),
        },
      ];
    }),
  );
  return {
    of: (name) => pasts.get(name) ?? { lastFailure: undefined, edited: undefined },
    log: found instanceof RefreshError ? found : found.since,
  };
}

/** By the leases that we keep, where we keep any. That they cannot be read is no news about the profile. */
async function updaterOf(session: Session, { connection, profile }: Surveyed) {
  if (connection === undefined || connection instanceof RefreshError) return 'unknown';
  if (profile === undefined || profile instanceof RefreshError) return 'unknown';
  const by = await orError(() => lastUpdatedBy(connection, profile, session.context()));
  return by instanceof RefreshError ? 'unknown' : by;
}

function editOf(
  surveyed: Surveyed,
  by: 'us' | 'another' | 'unknown',
  found: LogFound | RefreshError,
  at: Date,
): Edited | undefined {
  const { timing } = surveyed;
  if (timing === undefined || by === 'us') return undefined;
  if (by === 'another') return { at: timing.updatedAt, isCertain: true };
  return found instanceof RefreshError ? undefined : unaccounted(surveyed, found, at);
}

function lastFailureOf({ name, timing }: Surveyed, { lines }: LogFound): LogLine | undefined {
  const last = lines.findLast((line) => line.connection === name && (isFailure(line) || isUpdate(line)));
  if (last === undefined || isUpdate(last)) return undefined;
  return timing !== undefined && last.at <= timing.updatedAt ? undefined : last;
}

/** Where nothing but the log could know: the profile was updated at a time at which no function says that it did. */
function unaccounted(surveyed: Surveyed, { lines, since }: LogFound, at: Date): Edited | undefined {
  const { name, profile, timing } = surveyed;
  if (timing === undefined || profile === undefined || profile instanceof RefreshError) return undefined;
  const { updatedAt, dueSince } = timing;
  // What is due is about to be given something by us; and nobody had to account for updates before there was a connection.
  if (dueSince <= at) return undefined;
  const isKnown = updatedAt.getTime() - LINE_DELAY >= since.getTime();
  const isTold = at.getTime() - updatedAt.getTime() > INGESTION;
  if (!isKnown || !isTold || updatedAt <= profile.createdAt) return undefined;
  const ours = lines.some(
    (line) =>
      line.connection === name && isUpdate(line) && Math.abs(line.at.getTime() - updatedAt.getTime()) <= LINE_DELAY,
  );
  return ours ? undefined : { at: updatedAt, isCertain: false };
}
