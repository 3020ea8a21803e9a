import { describe, expect, it } from 'vitest';
import { isCallEvent, parseProfileEvent } from '../../functions/runtime/profile-event.ts';
import { thrownBy } from '../support/rules.ts';

const ROLE = 'arn:aws:iam::123456789012:role/ci';
const SESSION = 'arn:aws:sts::123456789012:assumed-role/ci/build-7';

/** As EventBridge delivers it, with the members that nobody here reads. */
function event(detail: Record<string, unknown> = {}): unknown {
  return {
    version: '0',
    id: 'e6c1a7f0-0d3f-4c3f-8f0e-0f5b7f0a6b11',
    'detail-type': 'AWS API Call via CloudTrail',
    source: 'aws.appflow',
    account: '123456789012',
    time: '2026-11-24T03:00:02Z',
    region: 'eu-central-1',
    resources: [],
    detail: {
      eventVersion: '1.11',
      userIdentity: {
        type: 'AssumedRole',
        principalId: 'AROA:build-7',
        arn: SESSION,
        accountId: '123456789012',
        accessKeyId: 'ASIAEXAMPLE',
        sessionContext: {
          sessionIssuer: { type: 'Role', principalId: 'AROA', arn: ROLE, accountId: '123456789012', userName: 'ci' },
          attributes: { creationDate: '2026-11-24T02:59:00Z', mfaAuthenticated: 'false' },
        },
      },
      eventTime: '2026-11-24T03:00:01Z',
      eventSource: 'appflow.amazonaws.com',
      eventName: 'UpdateConnectorProfile',
      awsRegion: 'eu-central-1',
      sourceIPAddress: '192.0.2.7',
      userAgent: 'Terraform/1.9.2',
      requestParameters: {
        connectorProfileName: 'crm',
        connectionMode: 'Public',
        connectorProfileConfig: { connectorProfileCredentials: 'HIDDEN_DUE_TO_SECURITY_REASONS' },
      },
      responseElements: { connectorProfileArn: 'arn:aws:appflow:eu-central-1:123456789012:connectorprofile/crm' },
      requestID: '1d0c3c2e-76b1-4f6f-8f0e-0f5b7f0a6b11',
      eventID: '8a2c3c2e-76b1-4f6f-8f0e-0f5b7f0a6b11',
      readOnly: false,
      eventType: 'AwsApiCall',
      managementEvent: true,
      recipientAccountId: '123456789012',
      eventCategory: 'Management',
      ...detail,
    },
  };
}

describe("CloudTrail's event of a call", () => {
  it('is read as who changed which profile, when and with what', () => {
    expect(parseProfileEvent(event())).toEqual({
      kind: 'updated',
      connectorProfileName: 'crm',
      at: new Date('2026-11-24T03:00:01Z'),
      roleArn: ROLE,
      principal: SESSION,
      userAgent: 'Terraform/1.9.2',
    });
    expect(parseProfileEvent(event({ eventName: 'DeleteConnectorProfile' })).kind).toBe('deleted');
  });

  it.each([
    ['root', { type: 'Root', arn: 'arn:aws:iam::123456789012:root' }, 'arn:aws:iam::123456789012:root', ''],
    ['a user', { type: 'IAMUser', arn: 'arn:aws:iam::1:user/ann' }, 'arn:aws:iam::1:user/ann', ''],
    [
      'a service that acts for a user',
      { type: 'IAMUser', arn: 'arn:aws:iam::1:user/ann', invokedBy: 'cloudformation.amazonaws.com' },
      'arn:aws:iam::1:user/ann',
      '',
    ],
    ['a service by itself', { type: 'AWSService', invokedBy: 'appflow.amazonaws.com' }, 'appflow.amazonaws.com', ''],
    ['another account', { type: 'AWSAccount', principalId: 'AIDA', accountId: '2' }, 'AWSAccount', ''],
    [
      'a federated user',
      { type: 'FederatedUser', arn: 'arn:aws:sts::1:federated-user/x' },
      'arn:aws:sts::1:federated-user/x',
      '',
    ],
    [
      'a session without an ARN',
      { type: 'AssumedRole', arn: null, sessionContext: { sessionIssuer: { arn: ROLE } } },
      ROLE,
      ROLE,
    ],
    [
      'a session without an issuer',
      { type: 'AssumedRole', arn: SESSION, sessionContext: { sessionIssuer: null } },
      SESSION,
      '',
    ],
    ['a session without a context', { type: 'AssumedRole', arn: SESSION, sessionContext: null }, SESSION, ''],
    ['nobody', null, '', ''],
  ])('names %s', (_, userIdentity, principal, roleArn) => {
    expect(parseProfileEvent(event({ userIdentity }))).toMatchObject({ principal, roleArn });
  });

  it.each([
    ['AWS refused it', { errorCode: 'AccessDenied', errorMessage: 'no', responseElements: null }],
    ['its parameters are null', { requestParameters: null }],
    ['its parameters name no profile', { requestParameters: { connectorProfileName: null } }],
    ['it has no parameters', { requestParameters: undefined }],
  ])('names no profile where %s', (_, detail) => {
    expect(parseProfileEvent(event(detail)).connectorProfileName).toBe('');
  });

  it('counts null as absent', () => {
    expect(parseProfileEvent(event({ errorCode: null, userAgent: null }))).toMatchObject({
      connectorProfileName: 'crm',
      userAgent: '',
    });
  });

  it('is refused in our own words where it is none', () => {
    const value = 'zQ7distinctive';
    for (const detail of [
      { eventName: value },
      { eventTime: value },
      { userIdentity: value },
      { userAgent: [value] },
      { requestParameters: value },
      { requestParameters: { connectorProfileName: { value } } },
    ]) {
      const error = thrownBy(() => parseProfileEvent(event(detail)));
      expect(error).toMatchObject({ code: 'INPUT_INVALID' });
      expect(error.message + error.hint).not.toContain('zQ7');
    }
    expect(thrownBy(() => parseProfileEvent({ 'detail-type': 'AWS API Call via CloudTrail' })).code).toBe(
      'INPUT_INVALID',
    );
  });

  it("is told from AppFlow's own by its type", () => {
    expect(isCallEvent(event())).toBe(true);
    for (const other of [null, 'x', [], {}, { 'detail-type': 'AppFlow End Flow Run Report' }])
      expect(isCallEvent(other)).toBe(false);
  });
});
