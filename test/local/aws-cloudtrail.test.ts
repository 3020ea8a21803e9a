import {
  AppflowClient,
  CreateConnectorProfileCommand,
  DeleteConnectorProfileCommand,
  DescribeConnectorProfilesCommand,
  UpdateConnectorProfileCommand,
} from '@aws-sdk/client-appflow';
import { CloudTrailClient, DescribeTrailsCommand, GetTrailStatusCommand } from '@aws-sdk/client-cloudtrail';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../infra/local/aws.ts';
import { TRAIL } from '../../infra/local/cloudtrail/cloudtrail.ts';
import type { Principal } from '../../infra/local/wire/events.ts';
import type { Fault } from '../../infra/local/wire/traffic.ts';

const JWT = 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl-_';
let aws: LocalAws;
let faults: { before?: Fault; after?: Fault };

beforeEach(async () => {
  faults = {};
  aws = await startAws({
    now: () => new Date('2026-11-24T09:00:00.500Z'),
    intercept: (_, phase) => faults[phase],
    roleOf: (userAgent) => (userAgent.includes('our-program/1') ? 'team/ours' : undefined),
  });
  aws.appflow.putProfile({ name: 'sf' });
});
afterEach(() => aws.close());

function appflow(accessKeyId = 'local', customUserAgent: [string, string][] = []) {
  const credentials = { accessKeyId, secretAccessKey: 'x' };
  return new AppflowClient({ endpoint: aws.url, region: 'us-east-1', credentials, maxAttempts: 1, customUserAgent });
}
const Salesforce = { instanceUrl: 'https://a.my.salesforce.com' };
const config = {
  connectorProfileProperties: { Salesforce },
  connectorProfileCredentials: { Salesforce: { oAuth2GrantType: 'JWT_BEARER', jwtToken: JWT } },
} as const;
const update = (client = appflow(), connectorProfileName = 'sf') =>
  client.send(
    new UpdateConnectorProfileCommand({
      connectorProfileName,
      connectionMode: 'Public',
      connectorProfileConfig: config,
    }),
  );
const details = () => aws.events.all().map(({ detail }) => detail);

describe('a change of a connector profile', () => {
  it('is told to EventBridge with who made it, and without credentials or answer', async () => {
    await update();
    expect(aws.events.all()).toEqual([
      {
        version: '0',
        id: expect.any(String),
        'detail-type': 'AWS API Call via CloudTrail',
        source: 'aws.appflow',
        account: '123456789012',
        time: '2026-11-24T09:00:00Z',
        region: 'us-east-1',
        resources: [],
        detail: {
          eventVersion: '1.11',
          userIdentity: {
            type: 'AssumedRole',
            principalId: 'AROALOCAL:session',
            arn: 'arn:aws:sts::123456789012:assumed-role/local/session',
            accountId: '123456789012',
            sessionContext: {
              sessionIssuer: {
                type: 'Role',
                principalId: 'AROALOCAL',
                arn: 'arn:aws:iam::123456789012:role/local',
                accountId: '123456789012',
                userName: 'local',
              },
              attributes: { creationDate: '2026-11-24T09:00:00.500Z', mfaAuthenticated: 'false' },
            },
          },
          eventTime: '2026-11-24T09:00:00Z',
          eventSource: 'appflow.amazonaws.com',
          eventName: 'UpdateConnectorProfile',
          awsRegion: 'us-east-1',
          sourceIPAddress: '127.0.0.1',
          userAgent: expect.stringContaining('aws-sdk-js/'),
          requestParameters: {
            connectorProfileName: 'sf',
            connectionMode: 'Public',
            connectorProfileConfig: { connectorProfileProperties: { Salesforce }, connectorProfileCredentials: '***' },
            clientToken: expect.any(String),
          },
          responseElements: {},
          requestID: expect.any(String),
          eventID: expect.any(String),
          readOnly: false,
          eventType: 'AwsApiCall',
          managementEvent: true,
          recipientAccountId: '123456789012',
          eventCategory: 'Management',
        },
      },
    ]);
  });

  it('is by the role that its user agent names, or by the user of another access key', async () => {
    await update(appflow('local', [['our-program', '1.2']]));
    await update(appflow('terraform', [['our-program', '1.2']]));
    expect(details()).toMatchObject([
      {
        userAgent: expect.stringMatching(/ our-program\/1\.2$/),
        userIdentity: {
          arn: 'arn:aws:sts::123456789012:assumed-role/ours/session',
          sessionContext: { sessionIssuer: { arn: 'arn:aws:iam::123456789012:role/team/ours' } },
        },
      },
      { userIdentity: { type: 'IAMUser', arn: 'arn:aws:iam::123456789012:user/terraform', userName: 'terraform' } },
    ]);
    expect(details()[1]).not.toHaveProperty('userIdentity.sessionContext');
  });

  it('is told also where it was refused or throttled, and not where it never arrived', async () => {
    await expect(update(appflow(), 'none')).rejects.toThrow();
    aws.access.deny([{ action: 'appflow:UpdateConnectorProfile' }]);
    await expect(update()).rejects.toThrow();
    aws.access.deny([]);
    faults = { before: { status: 429, code: 'ThrottlingException', message: 'Rate exceeded' } };
    await expect(update()).rejects.toThrow();
    faults = { before: 'drop' };
    await expect(update()).rejects.toThrow();
    expect(details()).toMatchObject([
      {
        errorCode: 'ResourceNotFoundException',
        errorMessage: expect.stringContaining('none'),
        requestParameters: { connectorProfileName: 'none' },
        responseElements: null,
      },
      { errorCode: 'AccessDeniedException', requestParameters: null, responseElements: null },
      { errorCode: 'ThrottlingException', errorMessage: 'Rate exceeded', responseElements: null },
    ]);
    expect(details()).toHaveLength(3);
  });

  it('is told where its answer was lost', async () => {
    faults = { after: 'drop' };
    await expect(update()).rejects.toThrow();
    expect(details()).toMatchObject([{ eventName: 'UpdateConnectorProfile', responseElements: {} }]);
    expect(details()[0]).not.toHaveProperty('errorCode');
  });

  it('is also one that makes a profile or deletes it, and nothing that only reads', async () => {
    const client = appflow();
    const connectorProfileName = 'new';
    await client.send(
      new CreateConnectorProfileCommand({
        connectorProfileName,
        connectorType: 'Salesforce',
        connectionMode: 'Public',
        connectorProfileConfig: config,
      }),
    );
    await client.send(new DescribeConnectorProfilesCommand({}));
    await client.send(new DeleteConnectorProfileCommand({ connectorProfileName, forceDelete: true }));
    expect(details()).toMatchObject([
      {
        eventName: 'CreateConnectorProfile',
        requestParameters: { connectorProfileConfig: { connectorProfileCredentials: '***' } },
      },
      { eventName: 'DeleteConnectorProfile', requestParameters: { connectorProfileName, forceDelete: true } },
    ]);
    expect(details()).toHaveLength(2);
    expect(JSON.stringify(aws.events.all())).not.toContain(JWT);
  });

  it.each<[Principal, object]>([
    [{ type: 'Root' }, { type: 'Root', arn: 'arn:aws:iam::123456789012:root' }],
    [{ type: 'IAMUser', userName: 'carol' }, { arn: 'arn:aws:iam::123456789012:user/carol' }],
    [
      { type: 'AssumedRole', roleName: 'Deploy', sessionName: 'ci' },
      { arn: 'arn:aws:sts::123456789012:assumed-role/Deploy/ci' },
    ],
    [
      { type: 'AssumedRole', roleName: 'Deploy', invokedBy: 'cloudformation.amazonaws.com' },
      { type: 'AssumedRole', invokedBy: 'cloudformation.amazonaws.com' },
    ],
    [{ type: 'AWSService', invokedBy: 'config.amazonaws.com' }, { type: 'AWSService' }],
  ])('can be made in a test by %j', (principal, userIdentity) => {
    const credentials = { oAuth2GrantType: 'JWT_BEARER', jwtToken: JWT } as const;
    aws.appflow.overwriteBy(principal, 'sf', credentials);
    aws.appflow.deleteBy(principal, 'sf', 'x/1');
    const by = principal.invokedBy;
    expect(details()).toMatchObject([
      {
        eventName: 'UpdateConnectorProfile',
        userIdentity,
        userAgent: by ?? expect.stringContaining('Terraform'),
        sourceIPAddress: by ?? '198.51.100.7',
        requestParameters: { connectorProfileName: 'sf', connectionMode: 'Public' },
      },
      { eventName: 'DeleteConnectorProfile', userIdentity, userAgent: by ?? 'x/1' },
    ]);
    expect(JSON.stringify(details())).not.toContain(JWT);
    expect(JSON.stringify(details()).includes('sessionIssuer')).toBe(principal.type === 'AssumedRole');
    expect(aws.appflow.profile('sf')).toBeUndefined();
  });
});

it('a profile that another program overwrites holds what that program gave, and was updated now', () => {
  aws.appflow.putProfile({ name: 'old', properties: Salesforce, createdAt: new Date('2026-11-01') });
  const credentials = { oAuth2GrantType: 'JWT_BEARER', jwtToken: JWT } as const;
  aws.appflow.overwriteBy({ type: 'Root' }, 'old', credentials);
  expect(aws.appflow.credentials('old')).toEqual(credentials);
  expect(aws.appflow.profile('old')).toMatchObject({
    properties: { Salesforce },
    lastUpdatedAt: new Date('2026-11-24T09:00:00.500Z'),
  });
  expect(() => aws.appflow.overwriteBy({ type: 'Root' }, 'none', credentials)).toThrow('none');
});

describe('a trail', () => {
  const client = () => {
    const credentials = { accessKeyId: 'local', secretAccessKey: 'x' };
    return new CloudTrailClient({ endpoint: aws.url, region: 'us-east-1', credentials, maxAttempts: 1 });
  };
  const trails = async (includeShadowTrails?: boolean) =>
    (await client().send(new DescribeTrailsCommand({ includeShadowTrails }))).trailList;
  const status = (Name: string) => client().send(new GetTrailStatusCommand({ Name }));
  const arn = (region: string, name: string) => `arn:aws:cloudtrail:${region}:123456789012:trail/${name}`;

  it('of all Regions is there and logs from the beginning', async () => {
    expect(await trails()).toMatchObject([
      {
        Name: TRAIL,
        TrailARN: arn('us-east-1', TRAIL),
        HomeRegion: 'us-east-1',
        IsMultiRegionTrail: true,
        HasCustomEventSelectors: false,
      },
    ]);
    expect(await status(TRAIL)).toMatchObject({ IsLogging: true });
  });

  it('of another Region is seen here where it is for all of them, and is known by its ARN alone', async () => {
    aws.trails.remove(TRAIL);
    aws.trails.put({ name: 'all', homeRegion: 'eu-west-1' });
    aws.trails.put({ name: 'one', homeRegion: 'eu-west-1', isMultiRegion: false });
    expect(await trails()).toMatchObject([{ Name: 'all', HomeRegion: 'eu-west-1' }]);
    expect(await trails(false)).toEqual([]);
    expect(await status(arn('eu-west-1', 'all'))).toMatchObject({ IsLogging: true });
    for (const id of ['all', arn('eu-west-1', 'one'), 'none'])
      await expect(status(id)).rejects.toMatchObject({ name: 'TrailNotFoundException' });
  });

  it.each([
    ['is not there', () => aws.trails.remove(TRAIL)],
    ['does not log', () => aws.trails.put({ name: TRAIL, isLogging: false })],
    ['is one of another Region', () => aws.trails.put({ name: TRAIL, homeRegion: 'eu-west-1', isMultiRegion: false })],
    ['records data events alone', () => aws.trails.put({ name: TRAIL, selectors: 'data' })],
  ])('that %s tells nothing of changes', async (_, change) => {
    change();
    await update();
    expect(aws.events.all()).toEqual([]);
  });

  it('of another Region that is for all of them tells of changes here', async () => {
    aws.trails.put({ name: TRAIL, homeRegion: 'eu-west-1', selectors: 'management' });
    await update();
    expect(aws.events.all()).toHaveLength(1);
  });

  it('cannot be asked by everybody', async () => {
    aws.access.deny([{ action: 'cloudtrail:GetTrailStatus', resource: arn('us-east-1', TRAIL) }]);
    await expect(status(TRAIL)).rejects.toMatchObject({ name: 'AccessDeniedException' });
    aws.access.deny([{ action: 'cloudtrail:DescribeTrails' }]);
    await expect(trails()).rejects.toMatchObject({ name: 'AccessDeniedException' });
  });
});
