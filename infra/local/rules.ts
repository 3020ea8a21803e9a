/** The rules of the default bus, as they are deployed. */
import { flowPatterns, healRetries, ownRoleArn } from './deployment.ts';
import type { Rule } from './events/bus.ts';

const heal = { functionName: 'heal', maximumRetryAttempts: healRetries };
const OWN_ROLES = ['RefreshRole', 'RotateRole', 'HealRole'];
/** Of the roles whose updates of a profile are no news. */
export const OWN_ROLE_ARNS = OWN_ROLES.map(ownRoleArn);

/** As the template writes them, with the names of roles for their ARNs. */
const sessionIssuedBy = (conditions: readonly unknown[]) => ({
  userIdentity: { sessionContext: { sessionIssuer: { arn: conditions } } },
});
const PROFILE_CHANGES = {
  source: ['aws.appflow'],
  'detail-type': ['AWS API Call via CloudTrail'],
  detail: {
    eventSource: ['appflow.amazonaws.com'],
    eventName: ['UpdateConnectorProfile', 'DeleteConnectorProfile'],
    errorCode: [{ exists: false }],
    $or: [
      sessionIssuedBy([{ 'anything-but': OWN_ROLES.map((name) => `${name}.Arn`) }]),
      sessionIssuedBy([{ exists: false }]),
    ],
  },
};
const NOTICES = {
  pattern: { source: ['appflow-token-refresher'] },
  target: { inputPath: '$.detail.summary' },
};

export const RULES: readonly Rule[] = [
  ...[...flowPatterns, PROFILE_CHANGES].map(
    (pattern, index): Rule => ({ name: `heal-${index + 1}`, pattern: resolved(pattern), target: heal }),
  ),
  { name: 'notices', ...NOTICES },
];

/** A pattern of the template with the ARN in place of each name of a role: `!GetAtt HealRole.Arn` is read as the text behind the tag. */
function resolved(pattern: Rule['pattern']): Rule['pattern'] {
  return JSON.parse(JSON.stringify(pattern), (_name, value: unknown) => {
    const role = typeof value === 'string' ? /^(\w+Role)\.Arn$/.exec(value)?.[1] : undefined;
    return role === undefined ? value : ownRoleArn(role);
  });
}
