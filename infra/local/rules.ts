/** The rules of the default bus, as they are deployed. */
import { flowPatterns, healRetries, ownRoleArn } from './deployment.ts';
import type { Rule } from './events/bus.ts';

const heal = { functionName: 'heal', maximumRetryAttempts: healRetries };
/** Of the roles whose updates of a profile are no news. */
export const OWN_ROLE_ARNS = ['RefreshRole', 'RotateRole', 'HealRole'].map(ownRoleArn);
const sessionIssuedBy = (conditions: readonly unknown[]) => ({
  userIdentity: { sessionContext: { sessionIssuer: { arn: conditions } } },
});

const PROFILE_CHANGES: Rule = {
  name: 'profile-changes',
  pattern: {
    source: ['aws.appflow'],
    'detail-type': ['AWS API Call via CloudTrail'],
    detail: {
      eventSource: ['appflow.amazonaws.com'],
      eventName: ['UpdateConnectorProfile', 'DeleteConnectorProfile'],
      $or: [sessionIssuedBy([{ 'anything-but': OWN_ROLE_ARNS }]), sessionIssuedBy([{ exists: false }])],
    },
  },
  target: heal,
};

const NOTICES: Rule = {
  name: 'notices',
  pattern: { source: ['appflow-token-refresher'] },
  target: { inputPath: '$.detail.summary' },
};

export const RULES: readonly Rule[] = [
  ...flowPatterns.map((pattern, index): Rule => ({ name: `heal-${index + 1}`, pattern, target: heal })),
  PROFILE_CHANGES,
  NOTICES,
];
