import { RefreshError } from '../../functions/core/errors.ts';
import { editedAt } from '../../functions/core/probe.ts';
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
  const [found, edits] = await Promise.all([
    orError(() =>
      searchLog(
        { stage, functions: ['refresh', 'rotate', 'heal'], from, to: at, enough: Number.POSITIVE_INFINITY },
        session.run(),
      ),
    ),
    inTurns(connections, (surveyed) => editOf(session, surveyed)),
  ]);
  const pasts = new Map(
    connections.map((surveyed, index) => [
      surveyed.name,
      found instanceof RefreshError
        ? { lastFailure: undefined, edited: edits[index] }
        : { lastFailure: lastFailureOf(surveyed, found), edited: edits[index] ?? unaccounted(surveyed, found, at) },
    ]),
  );
  return {
    of: (name) => pasts.get(name) ?? { lastFailure: undefined, edited: undefined },
    log: found instanceof RefreshError ? found : found.since,
  };
}

/** Known for sure where a token secret is kept; that it cannot be read is no news about the profile. */
async function editOf(session: Session, { connection, profile }: Surveyed): Promise<Edited | undefined> {
  if (connection === undefined || connection instanceof RefreshError) return undefined;
  if (profile === undefined || profile instanceof RefreshError) return undefined;
  const at = await orError(() => editedAt(connection, profile, session.context()));
  return at === undefined || at instanceof RefreshError ? undefined : { at, isCertain: true };
}

function lastFailureOf({ name, timing }: Surveyed, { lines }: LogFound): LogLine | undefined {
  const last = lines.findLast((line) => line.connection === name && (isFailure(line) || isUpdate(line)));
  if (last === undefined || isUpdate(last)) return undefined;
  return timing !== undefined && last.at <= timing.updatedAt ? undefined : last;
}

/** Where nothing but the log could know: the profile was updated at a time at which no function says that it did. */
function unaccounted(surveyed: Surveyed, { lines, since }: LogFound, at: Date): Edited | undefined {
  const { name, connection, profile, timing } = surveyed;
  if (timing === undefined || profile === undefined || profile instanceof RefreshError) return undefined;
  // Of this grant every run leaves a lease, which has told already.
  if (connection === undefined || connection instanceof RefreshError || connection.grantType === 'AUTHORIZATION_CODE')
    return undefined;
  const { updatedAt } = timing;
  const isKnown = updatedAt.getTime() - LINE_DELAY >= since.getTime();
  const isTold = at.getTime() - updatedAt.getTime() > INGESTION;
  if (!isKnown || !isTold || updatedAt <= profile.createdAt) return undefined;
  const ours = lines.some(
    (line) =>
      line.connection === name && isUpdate(line) && Math.abs(line.at.getTime() - updatedAt.getTime()) <= LINE_DELAY,
  );
  return ours ? undefined : { at: updatedAt, isCertain: false };
}
