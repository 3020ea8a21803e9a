/** Who called AWS, as CloudTrail writes it: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html */

import type { Principal } from '../wire/events.ts';

/** The member `userIdentity`. */
export function userIdentityOf(principal: Principal, accountId: string, at: Date): Readonly<Record<string, unknown>> {
  const { type, invokedBy } = principal;
  if (type === 'AWSService') return { type, invokedBy };
  const iam = (resource: string) => `arn:aws:iam::${accountId}:${resource}`;
  const attributes = { creationDate: at.toISOString(), mfaAuthenticated: 'false' };
  const by = { ...(invokedBy !== undefined && { invokedBy }) };
  if (type === 'Root') {
    return { type, principalId: accountId, arn: iam('root'), accountId, sessionContext: { attributes }, ...by };
  }
  if (type === 'IAMUser') {
    const { userName } = principal;
    return { type, principalId: 'AIDALOCAL', arn: iam(`user/${userName}`), accountId, userName, ...by };
  }
  const { roleName, sessionName = 'session' } = principal;
  // The ARN of a session has no path.
  const role = roleName.slice(roleName.lastIndexOf('/') + 1);
  const principalId = 'AROALOCAL';
  return {
    type,
    principalId: `${principalId}:${sessionName}`,
    arn: `arn:aws:sts::${accountId}:assumed-role/${role}/${sessionName}`,
    accountId,
    sessionContext: {
      sessionIssuer: { type: 'Role', principalId, arn: iam(`role/${roleName}`), accountId, userName: role },
      attributes,
    },
    ...by,
  };
}
