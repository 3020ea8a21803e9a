import * as v from 'valibot';
import type { FlowFailure } from '../core/heal.ts';
import { parseInput } from './input.ts';

const USAGE = "heal takes AppFlow's events 'AppFlow End Flow Run Report' and 'AppFlow Scheduled Flow Deactivated'.";

/** AppFlow writes the zone in brackets behind its times, which `Date` cannot parse. */
const Time = v.pipe(
  v.string('must be a string'),
  v.maxLength(64, 'is not a time'),
  v.transform((text) => new Date(text.replace(/\[[\w/]{1,40}\]$/, ''))),
  v.check((date) => !Number.isNaN(date.getTime()), 'is not a time'),
);

/** https://docs.aws.amazon.com/appflow/latest/userguide/flow-notifications.html, as far as it is needed. */
const FlowEvent = v.object({
  id: v.pipe(v.string('must be a string'), v.minLength(1, 'is empty')),
  time: Time,
  'detail-type': v.picklist(
    ['AppFlow End Flow Run Report', 'AppFlow Scheduled Flow Deactivated'],
    'is not an event that can be healed',
  ),
  detail: v.object({
    'flow-name': v.pipe(v.string('must be a string'), v.regex(/^[\w!@#.-]{1,256}$/, 'is not the name of a flow')),
    error: v.optional(v.string('must be a string')),
    'deactivation-reason': v.optional(v.string('must be a string')),
    'start-time': v.optional(Time),
  }),
});

/** @throws RefreshError `INPUT_INVALID` */
export function parseFlowEvent(event: unknown): FlowFailure {
  const { id, time, 'detail-type': kind, detail } = parseInput(FlowEvent, event, USAGE);
  const isDeactivated = kind === 'AppFlow Scheduled Flow Deactivated';
  return {
    eventId: id,
    flowName: detail['flow-name'],
    startedAt: detail['start-time'],
    eventTime: time,
    isDeactivated,
    // A run that ended well has no error.
    reason: (isDeactivated ? detail['deactivation-reason'] : detail.error) ?? '',
  };
}
