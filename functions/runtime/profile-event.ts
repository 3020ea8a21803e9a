import * as v from 'valibot';
import type { ProfileChange } from '../core/profile-change.ts';
import { parseInput, UtcTime } from './input.ts';

const USAGE =
  "heal takes CloudTrail's events 'AWS API Call via CloudTrail' of UpdateConnectorProfile and DeleteConnectorProfile.";

/** Null counts as absent. */
const Text = v.nullish(v.string('must be a string'), '');
const Issuer = v.nullish(v.object({ arn: Text }));

/** https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html, as far as it is needed. */
const ProfileEvent = v.object({
  detail: v.object({
    eventName: v.picklist(['UpdateConnectorProfile', 'DeleteConnectorProfile'], 'is not a call that is answered'),
    eventTime: UtcTime,
    errorCode: Text,
    userAgent: Text,
    userIdentity: v.nullish(
      v.object({
        type: Text,
        arn: Text,
        invokedBy: Text,
        sessionContext: v.nullish(v.object({ sessionIssuer: Issuer })),
      }),
    ),
    requestParameters: v.nullish(v.object({ connectorProfileName: Text })),
  }),
});

/** Whether CloudTrail tells of a call, and not AppFlow of a flow. */
export function isCallEvent(event: unknown): boolean {
  return v.is(v.object({ 'detail-type': v.literal('AWS API Call via CloudTrail') }), event);
}

/** @throws RefreshError `INPUT_INVALID` */
export function parseProfileEvent(event: unknown): ProfileChange {
  const { detail } = parseInput(ProfileEvent, event, USAGE);
  const { userIdentity: identity, userAgent } = detail;
  const roleArn = identity?.sessionContext?.sessionIssuer?.arn ?? '';
  return {
    kind: detail.eventName === 'UpdateConnectorProfile' ? 'updated' : 'deleted',
    // What AWS refused has changed nothing; without parameters nobody knows what was changed.
    connectorProfileName: detail.errorCode === '' ? (detail.requestParameters?.connectorProfileName ?? '') : '',
    at: detail.eventTime,
    roleArn,
    // A role has its session in its own ARN. Root has one too; a service that acts by itself has none.
    principal: [identity?.arn, roleArn, identity?.invokedBy, identity?.type].find((one) => (one ?? '') !== '') ?? '',
    userAgent,
  };
}
