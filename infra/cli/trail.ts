import { CloudTrailClient, DescribeTrailsCommand, GetTrailStatusCommand } from '@aws-sdk/client-cloudtrail';
import * as v from 'valibot';
import { type AwsCall, callAws, unreadable } from '../../functions/adapters/aws-call.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import { type ShownError, shown } from '../../functions/core/report.ts';
import type { Run } from '../../functions/core/run.ts';
import { inTurns } from './in-turns.ts';
import { paint, type Text, text } from './output.ts';
import { orError, type Session } from './session.ts';

/** Whether CloudTrail tells the functions of an update by another program. */
export interface TrailVerdict {
  readonly state: 'recording' | 'none' | 'unknown';
  /** For people. */
  readonly detail: string;
  /** Why it is unknown, where AWS did not say. */
  readonly error?: ShownError;
}

const flag = v.nullish(v.boolean());
const Trails = v.object({
  trailList: v.nullish(
    v.array(
      v.object({
        TrailARN: v.string(),
        Name: v.nullish(v.string()),
        HomeRegion: v.nullish(v.string()),
        IsMultiRegionTrail: flag,
        HasCustomEventSelectors: flag,
      }),
    ),
  ),
});
const Status = v.object({ IsLogging: flag });

const CONSEQUENCE = 'a profile that another program overwrites is noticed only at its next refresh';
/** It is told besides: nobody should wait long for it, in milliseconds. */
const PATIENCE = { connectionTimeout: 3_000, requestTimeout: 5_000, throwOnRequestTimeout: true };
const ATTEMPTS = 2;

/**
 * Looks for a trail that records events of management in this Region: without one EventBridge hears of no update of a profile. A trail with event
 * selectors of its own may leave them out, and what it selects is not asked. That somebody may not ask is no failure: then it is not known.
 */
export async function trailVerdict(session: Session): Promise<TrailVerdict> {
  const client = new CloudTrailClient({ maxAttempts: 1, requestHandler: PATIENCE });
  const verdict = await orError(() => lookForTrail(client, session.run()));
  client.destroy();
  if (!(verdict instanceof RefreshError)) return verdict;
  return { ...unknown(`${verdict.code}: ${verdict.message}`), error: shown(verdict) };
}

/** One line about the account; none where all is well. */
export function shownTrail({ state, detail }: TrailVerdict): Text | undefined {
  if (state === 'recording') return undefined;
  return text`${state === 'none' ? paint('yellow', '!') : paint('dim', '–')} ${detail}`;
}

async function lookForTrail(client: CloudTrailClient, run: Run): Promise<TrailVerdict> {
  const region = await client.config.region();
  const listing = call('DescribeTrails', '*');
  const answer = await callAws(
    listing,
    run,
    (options) => client.send(new DescribeTrailsCommand({}), options),
    ATTEMPTS,
  );
  const trails = read(Trails, answer, listing).trailList ?? [];
  const here = trails.filter((trail) => trail.IsMultiRegionTrail === true || trail.HomeRegion === region);
  const states = await inTurns(here, (trail) => orError(() => isLogging(client, trail.TrailARN, run)));
  const active = here.filter((_, index) => states[index] === true);
  const plain = active.find(({ HasCustomEventSelectors }) => HasCustomEventSelectors !== true);
  if (plain !== undefined)
    return { state: 'recording', detail: `The trail ${nameOf(plain)} records management events in ${region}.` };
  const [selecting] = active;
  if (selecting !== undefined)
    return unknown(`see that the event selectors of the trail ${nameOf(selecting)} include management events`);
  const error = states.find((state) => state instanceof RefreshError);
  if (error !== undefined) throw error;
  return { state: 'none', detail: `No trail of CloudTrail records management events in ${region}: ${CONSEQUENCE}.` };
}

async function isLogging(client: CloudTrailClient, arn: string, run: Run): Promise<boolean> {
  const asking = call('GetTrailStatus', arn);
  const command = new GetTrailStatusCommand({ Name: arn });
  const answer = await callAws(asking, run, (options) => client.send(command, options), ATTEMPTS);
  return read(Status, answer, asking).IsLogging === true;
}

function call(operation: string, resource: string): AwsCall {
  return { action: `cloudtrail:${operation}`, resource, unavailable: 'OUT_OF_TIME' };
}

/** @throws RefreshError where the answer is none of CloudTrail */
function read<T>(schema: v.GenericSchema<unknown, T>, answer: unknown, of: AwsCall): T {
  const parsed = v.safeParse(schema, answer);
  if (!parsed.success) throw unreadable(of);
  return parsed.output;
}

function nameOf({ Name, TrailARN }: { readonly Name?: string | null | undefined; readonly TrailARN: string }): string {
  return Name ?? TrailARN;
}

function unknown(why: string): TrailVerdict {
  return {
    state: 'unknown',
    detail: `Whether a trail of CloudTrail tells of overwritten profiles is not known (${why}). If none does, ${CONSEQUENCE}.`,
  };
}
