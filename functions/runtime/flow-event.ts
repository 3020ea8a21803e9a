import * as v from 'valibot';
import type { FlowFailure } from '../core/heal.ts';
import { parseInput } from './input.ts';

const USAGE =
  "heal takes AppFlow's events 'AppFlow End Flow Run Report', 'AppFlow Scheduled Flow Deactivated' and 'AppFlow Event Flow Deactivated', and CloudTrail's.";

/** AppFlow writes the zone in brackets behind its times, which `Date` cannot parse. */
const Time = v.pipe(
  v.string('must be a string'),
  v.maxLength(64, 'is not a time'),
  v.transform((text) => new Date(text.replace(/\[[\w/+:-]{1,40}\]$/, ''))),
  v.check((date) => !Number.isNaN(date.getTime()), 'is not a time'),
);

/** Null and an empty text count as absent. */
const Text = v.nullish(v.string('must be a string'), '');

/** https://docs.aws.amazon.com/appflow/latest/userguide/flow-notifications.html, as far as it is needed. */
const FlowEvent = v.object({
  id: v.pipe(v.string('must be a string'), v.minLength(1, 'is empty')),
  time: Time,
  'detail-type': v.picklist(
    ['AppFlow End Flow Run Report', 'AppFlow Scheduled Flow Deactivated', 'AppFlow Event Flow Deactivated'],
    'is not an event that can be healed',
  ),
  detail: v.object({
    'flow-name': v.pipe(v.string('must be a string'), v.regex(/^[\w!@#.-]{1,256}$/, 'is not the name of a flow')),
    status: Text,
    error: Text,
    'deactivation-reason': Text,
    'start-time': v.nullish(
      v.union(
        [
          v.pipe(
            v.literal(''),
            v.transform(() => undefined),
          ),
          Time,
        ],
        'is not a time',
      ),
    ),
  }),
});

/** @throws RefreshError `INPUT_INVALID` */
export function parseFlowEvent(event: unknown): FlowFailure {
  const { id, time, 'detail-type': kind, detail } = parseInput(FlowEvent, event, USAGE);
  const isDeactivated = kind !== 'AppFlow End Flow Run Report';
  return {
    eventId: id,
    flowName: detail['flow-name'],
    startedAt: detail['start-time'] ?? undefined,
    eventTime: time,
    isDeactivated,
    endedWell: !isDeactivated && /^(?:execution )?(?:success|cancel)/i.test(detail.status),
    reason: isDeactivated ? detail['deactivation-reason'] : detail.error,
  };
}
