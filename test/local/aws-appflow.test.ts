import { createServer, type Server } from 'node:http';
import {
  AppflowClient,
  CreateConnectorProfileCommand,
  DeleteConnectorProfileCommand,
  DescribeConnectorProfilesCommand,
  DescribeConnectorsCommand,
  DescribeFlowCommand,
  ListFlowsCommand,
  type SalesforceConnectorProfileCredentials,
  StartFlowCommand,
  UpdateConnectorProfileCommand,
} from '@aws-sdk/client-appflow';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorFrom } from '../../infra/local/appflow/flows.ts';
import { type LocalAws, startAws } from '../../infra/local/aws.ts';

const HOUR = 3600 * 1000;
const JWT = 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl-_';
const ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:appflow-client-credentials/a-abcdef';

let time: Date;
let aws: LocalAws;
let client: AppflowClient;

/** A token endpoint that writes down what it is asked, and answers what the test wants. */
let salesforce: Server;
let salesforceUrl: string;
let asked: string[];
let answer: (request: string) => { status: number; body?: unknown };

function wait(milliseconds: number): void {
  time = new Date(time.getTime() + milliseconds);
}

async function start(salesforce = true): Promise<void> {
  aws = await startAws({ now: () => time, ...(salesforce && { salesforceUrl }) });
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  client = new AppflowClient({ endpoint: aws.url, region: 'us-east-1', credentials, maxAttempts: 1 });
}

/** The secret behind an ARN that AppFlow reads itself. */
function clientSecret(): string {
  const value = JSON.stringify({ clientId: 'cid', clientSecret: 'cs' });
  return aws.secrets.create({ name: 'appflow-client-credentials/a', value }).arn;
}

const properties = { instanceUrl: 'https://a.my.salesforce.com', isSandboxEnvironment: false };

function update(
  Salesforce: SalesforceConnectorProfileCredentials,
  rest: { clientToken?: string; name?: string; properties?: object; connectionMode?: 'Public' | 'Private' } = {},
) {
  return client.send(
    new UpdateConnectorProfileCommand({
      connectorProfileName: rest.name ?? 'sf',
      connectionMode: rest.connectionMode ?? 'Public',
      connectorProfileConfig: {
        connectorProfileProperties: { Salesforce: rest.properties ?? properties },
        connectorProfileCredentials: { Salesforce },
      },
      clientToken: rest.clientToken,
    }),
  );
}

const jwt = (jwtToken = JWT) => ({ oAuth2GrantType: 'JWT_BEARER' as const, jwtToken });

beforeEach(async () => {
  time = new Date('2026-11-24T08:00:00.000Z');
  asked = [];
  answer = () => ({ status: 200, body: { access_token: 'at' } });
  salesforce = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const line = `${request.url} ${request.headers.authorization ?? ''}${Buffer.concat(chunks)}`;
    asked.push(line);
    const { status, body } = answer(line);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? {}));
  });
  await new Promise<void>((resolve) => salesforce.listen(0, '127.0.0.1', resolve));
  const address = salesforce.address();
  salesforceUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});

afterEach(async () => {
  client.destroy();
  await aws.close();
  salesforce.closeAllConnections();
  await new Promise((resolve) => salesforce.close(resolve));
});

describe('connector profiles', () => {
  beforeEach(() => start(false));

  it('are described without a word about their credentials', async () => {
    aws.appflow.putProfile({
      name: 'sf',
      properties,
      credentials: { accessToken: 'hidden' },
      createdAt: new Date('2026-01-01T00:00:00.500Z'),
      lastUpdatedAt: new Date('2026-11-24T07:00:00.250Z'),
    });
    const { connectorProfileDetails } = await client.send(new DescribeConnectorProfilesCommand({}));
    expect(connectorProfileDetails).toEqual([
      {
        connectorProfileArn: 'arn:aws:appflow:us-east-1:123456789012:connectorprofile/sf',
        connectorProfileName: 'sf',
        connectorType: 'Salesforce',
        connectionMode: 'Public',
        credentialsArn: expect.stringContaining(':secret:appflow!'),
        connectorProfileProperties: { Salesforce: properties },
        createdAt: new Date('2026-01-01T00:00:00.500Z'),
        lastUpdatedAt: new Date('2026-11-24T07:00:00.250Z'),
      },
    ]);
  });

  it('come in pages of 20 unless more are asked for, up to 100', async () => {
    for (let n = 0; n < 30; n += 1) aws.appflow.putProfile({ name: `sf${n}` });
    aws.appflow.putProfile({ name: 'slack', connectorType: 'Slack' });
    const first = await client.send(new DescribeConnectorProfilesCommand({ connectorType: 'Salesforce' }));
    expect(first.connectorProfileDetails).toHaveLength(20);
    const { nextToken } = first;
    const second = await client.send(new DescribeConnectorProfilesCommand({ connectorType: 'Salesforce', nextToken }));
    expect([second.connectorProfileDetails?.length, second.nextToken]).toEqual([10, undefined]);
    await expect(client.send(new DescribeConnectorProfilesCommand({ nextToken }))).rejects.toMatchObject({
      name: 'ValidationException',
    });
    const all = await client.send(new DescribeConnectorProfilesCommand({ maxResults: 100 }));
    expect(all.connectorProfileDetails).toHaveLength(31);
    await expect(client.send(new DescribeConnectorProfilesCommand({ maxResults: 101 }))).rejects.toMatchObject({
      name: 'ValidationException',
    });
  });

  it('that nobody has are an empty list; names that cannot be are refused', async () => {
    const describeNames = (connectorProfileNames: string[]) =>
      client.send(new DescribeConnectorProfilesCommand({ connectorProfileNames }));
    expect((await describeNames(['none'])).connectorProfileDetails).toEqual([]);
    for (const names of [['with space'], ['x'.repeat(257)], [...Array(101).keys()].map(String)]) {
      await expect(describeNames(names)).rejects.toMatchObject({
        name: 'ValidationException',
        $metadata: { httpStatusCode: 400 },
      });
    }
  });

  it('are refused in the words of IAM, with status 403', async () => {
    aws.access.deny([{ action: 'appflow:UpdateConnectorProfile', resource: '*:connectorprofile/sf' }]);
    await expect(update(jwt())).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining(
        'appflow:UpdateConnectorProfile on resource: arn:aws:appflow:us-east-1:123456789012:connectorprofile/sf',
      ),
      $metadata: { httpStatusCode: 403 },
    });
  });
});

describe('an update', () => {
  beforeEach(async () => {
    await start(false);
    aws.appflow.putProfile({
      name: 'sf',
      properties: { ...properties, usePrivateLinkForMetadataAndAuthorization: true },
    });
  });

  it('replaces everything with what was sent, and moves the date', async () => {
    wait(HOUR);
    await update(jwt(), { connectionMode: 'Private', properties: { isSandboxEnvironment: true } });
    expect(aws.appflow.profile('sf')).toMatchObject({
      connectionMode: 'Private',
      properties: { Salesforce: { isSandboxEnvironment: true } },
      createdAt: new Date('2026-11-24T08:00:00.000Z'),
      lastUpdatedAt: time,
    });
    expect(aws.appflow.profile('sf')?.properties).toEqual({ Salesforce: { isSandboxEnvironment: true } });
    expect(aws.appflow.credentials('sf')).toEqual(jwt());
  });

  it.each([
    ['accessToken', 4096, (value: string) => ({ accessToken: value })],
    ['refreshToken', 4096, (value: string) => ({ accessToken: 'a', refreshToken: value })],
    ['oAuthRequest.authCode', 4096, (value: string) => ({ oAuthRequest: { authCode: value, redirectUri: 'u' } })],
    ['oAuthRequest.redirectUri', 512, (value: string) => ({ oAuthRequest: { authCode: 'c', redirectUri: value } })],
  ] as const)('takes %s up to %i characters without a blank', async (field, max, make) => {
    await update(make('x'.repeat(max)));
    for (const wrong of ['x'.repeat(max + 1), 'a b', 'a\n', '']) {
      await expect(update(make(wrong))).rejects.toMatchObject({
        name: 'ValidationException',
        message: expect.stringContaining(`connectorProfileCredentials.salesforce.${field}`),
      });
    }
  });

  it('takes a JWT up to 8,000 characters whose first two parts hold no hyphen', async () => {
    await update(jwt(`a.b.${'x'.repeat(7996)}`));
    await update(jwt('a_=.b_=.c-+/='));
    for (const wrong of [
      `a.b.${'x'.repeat(7997)}`,
      'a-.b.c',
      'a.b-.c',
      'a.b',
      'a.b.c.d',
      'a.b.c\n',
      'a.b.c d',
      '.b.c',
    ]) {
      await expect(update(jwt(wrong))).rejects.toMatchObject({ name: 'ValidationException' });
    }
  });

  it('never repeats a credential in its refusal', async () => {
    await expect(update(jwt('secret-.b.c'))).rejects.toSatisfy((error) => !String(error).includes('secret-'));
  });

  it('takes an ARN of the aws partition alone', async () => {
    aws.appflow.supportedGrants = ['CLIENT_CREDENTIALS'];
    const grant = (clientCredentialsArn: string) =>
      update({ oAuth2GrantType: 'CLIENT_CREDENTIALS', clientCredentialsArn });
    await grant(ARN);
    for (const wrong of [
      ARN.replace('arn:aws:', 'arn:aws-cn:'),
      'arn:aws:secretsma',
      'not-an-arn-at-all-but-long',
      ARN + 'x'.repeat(2048),
    ]) {
      await expect(grant(wrong)).rejects.toMatchObject({ name: 'ValidationException' });
    }
  });

  it('needs what the grant works with', async () => {
    for (const wrong of [
      { oAuth2GrantType: 'JWT_BEARER' },
      { oAuth2GrantType: 'AUTHORIZATION_CODE', refreshToken: 'r' },
      { oAuth2GrantType: 'AUTHORIZATION_CODE', accessToken: 'a', jwtToken: JWT },
      { jwtToken: JWT },
      {},
    ] as const) {
      await expect(update(wrong)).rejects.toMatchObject({ name: 'ValidationException' });
    }
  });

  it('refuses client credentials in AppFlow’s own strange words where they are not supported', async () => {
    await expect(update({ oAuth2GrantType: 'CLIENT_CREDENTIALS', clientCredentialsArn: ARN })).rejects.toMatchObject({
      name: 'ValidationException',
      message: 'AuthCode cannot be blank for connector: SALESFORCE',
    });
  });

  it('wants every required field, and properties within their limits', async () => {
    const config = { connectorProfileProperties: { Salesforce: properties } };
    const send = (input: object) =>
      fetch(`${aws.url}/update-connector-profile`, {
        method: 'POST',
        headers: {
          authorization:
            'AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/appflow/aws4_request, SignedHeaders=host, Signature=0',
        },
        body: JSON.stringify(input),
      });
    for (const wrong of [
      { connectionMode: 'Public', connectorProfileConfig: config },
      { connectorProfileName: 'sf', connectorProfileConfig: config },
      { connectorProfileName: 'sf', connectionMode: 'Public' },
      { connectorProfileName: 'sf', connectionMode: 'Open', connectorProfileConfig: config },
      { connectorProfileName: 'sf', connectionMode: 'Public', connectorProfileConfig: {} },
      { connectorProfileName: 'sf', connectionMode: 'Public', connectorProfileConfig: config, clientToken: 'ü' },
    ]) {
      const response = await send(wrong);
      expect([response.status, response.headers.get('x-amzn-errortype')]).toEqual([400, 'ValidationException']);
    }
    for (const wrong of [{ instanceUrl: 'x'.repeat(257) }, { instanceUrl: 'a b' }]) {
      await expect(update(jwt(), { properties: wrong })).rejects.toMatchObject({ name: 'ValidationException' });
    }
  });

  it('cannot turn a profile into another connector’s', async () => {
    const config = { connectorProfileProperties: { Slack: { instanceUrl: 'https://a' } } };
    const input = { connectorProfileName: 'sf', connectionMode: 'Public', connectorProfileConfig: config } as const;
    await expect(client.send(new UpdateConnectorProfileCommand(input))).rejects.toMatchObject({
      name: 'ValidationException',
    });
  });

  it('of a profile that does not exist is not found', async () => {
    await expect(update(jwt(), { name: 'none' })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      $metadata: { httpStatusCode: 404 },
    });
  });

  it('with a token seen in the last eight hours has no effect, and with other parameters fails', async () => {
    await update(jwt(), { clientToken: 't' });
    const before = aws.appflow.profile('sf')?.lastUpdatedAt;
    wait(8 * HOUR - 1);
    await update(jwt(), { clientToken: 't' });
    expect(aws.appflow.profile('sf')?.lastUpdatedAt).toBe(before);
    await expect(update(jwt('a.b.c'), { clientToken: 't' })).rejects.toMatchObject({ name: 'ConflictException' });
    wait(1);
    await update(jwt('a.b.c'), { clientToken: 't' });
    expect(aws.appflow.credentials('sf')).toEqual(jwt('a.b.c'));
  });
});

describe('trying credentials on Salesforce', () => {
  const refusal = { status: 400, body: { error: 'invalid_grant', error_description: 'invalid assertion' } };

  beforeEach(async () => {
    await start();
    aws.appflow.putProfile({ name: 'sf', properties });
  });

  it('exchanges a JWT before it keeps it', async () => {
    await update(jwt());
    expect(asked).toEqual([expect.stringMatching(`^/services/oauth2/token .*assertion=${JWT}`)]);
  });

  it('keeps the old credentials and date where Salesforce refuses, with status 401', async () => {
    await update(jwt());
    wait(HOUR);
    answer = () => refusal;
    await expect(update(jwt('a.b.c'))).rejects.toMatchObject({
      name: 'ConnectorAuthenticationException',
      message: expect.stringContaining('invalid_grant: invalid assertion'),
      $metadata: { httpStatusCode: 401 },
    });
    expect(aws.appflow.credentials('sf')).toEqual(jwt());
    expect(aws.appflow.profile('sf')?.lastUpdatedAt).toEqual(new Date('2026-11-24T08:00:00.000Z'));
  });

  it('tries an access token with userinfo, and spends no refresh token on it', async () => {
    await update({ accessToken: 'at', refreshToken: 'rt' });
    answer = () => ({ status: 403 });
    await expect(update({ accessToken: 'dead', refreshToken: 'rt' })).rejects.toMatchObject({
      name: 'ConnectorAuthenticationException',
    });
    const userinfo = '/services/oauth2/userinfo Bearer';
    expect(asked).toEqual([`${userinfo} at`, `${userinfo} dead`]);
  });

  it('reads the secret behind an ARN itself', async () => {
    aws.appflow.supportedGrants = ['CLIENT_CREDENTIALS'];
    const credentials = { oAuth2GrantType: 'CLIENT_CREDENTIALS', clientCredentialsArn: clientSecret() } as const;
    await update(credentials);
    expect(asked[0]).toContain('grant_type=client_credentials&client_id=cid&client_secret=cs');
    expect(aws.appflow.credentials('sf')).toEqual(credentials);
    await expect(update({ ...credentials, clientCredentialsArn: ARN })).rejects.toMatchObject({
      name: 'ConnectorAuthenticationException',
    });
  });

  it('is one update of a profile at a time', async () => {
    const results = await Promise.allSettled([update(jwt()), update(jwt())]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { name: 'ConflictException' },
    });
  });
});

describe('a connection in use', () => {
  beforeEach(() => start());

  it('exchanges its JWT each time anew', async () => {
    aws.appflow.putProfile({ name: 'sf', credentials: jwt() });
    expect(await aws.appflow.useConnection('sf')).toEqual({ ok: true, accessToken: 'at' });
    await aws.appflow.useConnection('sf');
    expect(asked).toHaveLength(2);
  });

  it('spends its refresh token behind our back when the access token has died, and keeps the new one', async () => {
    const clientCredentialsArn = clientSecret();
    const credentials = { accessToken: 'dead', refreshToken: 'r1', clientCredentialsArn };
    aws.appflow.putProfile({ name: 'sf', credentials });
    answer = (line) =>
      line.includes('/userinfo')
        ? { status: 401 }
        : { status: 200, body: { access_token: 'fresh', refresh_token: 'r2' } };
    expect(await aws.appflow.useConnection('sf')).toEqual({ ok: true, accessToken: 'fresh' });
    expect(aws.appflow.credentials('sf')).toEqual({ ...credentials, accessToken: 'fresh', refreshToken: 'r2' });
    expect(asked[1]).toContain('grant_type=refresh_token&refresh_token=r1&client_id=cid&client_secret=cs');
  });

  it('fails as Salesforce fails, and has nothing to fall back on without a refresh token', async () => {
    aws.appflow.putProfile({ name: 'sf', credentials: { accessToken: 'dead' } });
    answer = () => ({ status: 401 });
    expect(await aws.appflow.useConnection('sf')).toEqual({
      ok: false,
      status: 401,
      error: 'INVALID_SESSION_ID',
      description: 'Session expired or invalid',
    });
  });
});

describe('DescribeConnectors', () => {
  it('lists the grants that it is told to', async () => {
    await start();
    aws.appflow.supportedGrants = ['JWT_BEARER', 'CLIENT_CREDENTIALS'];
    const { connectorConfigurations } = await client.send(
      new DescribeConnectorsCommand({ connectorTypes: ['Salesforce'] }),
    );
    expect(connectorConfigurations?.['Salesforce']?.connectorMetadata?.Salesforce?.oauth2GrantTypesSupported).toEqual([
      'JWT_BEARER',
      'CLIENT_CREDENTIALS',
    ]);
  });
});

describe('a profile', () => {
  beforeEach(() => start());

  const create = (connectorProfileName: string, more: { clientToken?: string } = {}) =>
    client.send(
      new CreateConnectorProfileCommand({
        connectorProfileName,
        connectorType: 'Salesforce',
        connectionMode: 'Private',
        connectorProfileConfig: {
          connectorProfileProperties: { Salesforce: properties },
          connectorProfileCredentials: { Salesforce: jwt() },
        },
        ...more,
      }),
    );
  const remove = (connectorProfileName: string, forceDelete?: boolean) =>
    client.send(new DeleteConnectorProfileCommand({ connectorProfileName, forceDelete }));

  it('is made with credentials that Salesforce takes, once for each name', async () => {
    await create('sf', { clientToken: 't' });
    await create('sf', { clientToken: 't' });
    expect(asked).toHaveLength(1);
    expect(aws.appflow.profile('sf')).toMatchObject({
      connectionMode: 'Private',
      properties: { Salesforce: properties },
    });
    expect(aws.appflow.credentials('sf')).toEqual(jwt());
    await expect(create('sf')).rejects.toMatchObject({ name: 'ConflictException' });
    answer = () => ({ status: 400, body: { error: 'invalid_grant' } });
    await expect(create('other')).rejects.toMatchObject({ name: 'ConnectorAuthenticationException' });
    expect(aws.appflow.profile('other')).toBeUndefined();
  });

  it('is deleted where no flow reads or writes through it, or where that is forced', async () => {
    for (const name of ['free', 'read', 'written']) aws.appflow.putProfile({ name });
    const destination = { connectorType: 'Salesforce', connectorProfileName: 'written' };
    aws.appflow.flows.create({ flowName: 'copy', connectorProfileName: 'read', destination });
    await remove('free');
    for (const name of ['read', 'written']) {
      await expect(remove(name)).rejects.toMatchObject({
        name: 'ConflictException',
        message: expect.stringContaining('copy'),
      });
      expect(aws.appflow.profile(name)).toBeDefined();
      await remove(name, true);
    }
    expect(aws.appflow.profiles()).toEqual([]);
    await expect(remove('free', true)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    expect((await aws.appflow.flows.run('copy')).detail['status']).toBe('Execution Failed');
  });

  it('is made and deleted by those who may', async () => {
    aws.appflow.putProfile({ name: 'sf' });
    aws.access.deny([{ action: 'appflow:*ConnectorProfile', resource: '*:connectorprofile/*' }]);
    await expect(create('new')).rejects.toMatchObject({ name: 'AccessDeniedException' });
    await expect(remove('sf')).rejects.toMatchObject({ name: 'AccessDeniedException' });
  });
});

describe('flows', () => {
  beforeEach(async () => {
    await start();
    aws.appflow.putProfile({ name: 'sf', properties, credentials: jwt() });
  });

  it('tell which profile they run on', async () => {
    aws.appflow.flows.create({ flowName: 'in', connectorProfileName: 'sf', triggerType: 'Scheduled' });
    expect(await client.send(new DescribeFlowCommand({ flowName: 'in' }))).toMatchObject({
      flowStatus: 'Active',
      sourceFlowConfig: { connectorType: 'Salesforce', connectorProfileName: 'sf' },
      triggerConfig: { triggerType: 'Scheduled' },
    });
    await expect(client.send(new DescribeFlowCommand({ flowName: 'none' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });

  it('on demand run with the profile’s credentials, once for each token', async () => {
    aws.appflow.flows.create({ flowName: 'flow', connectorProfileName: 'sf' });
    const startFlow = (clientToken: string) => client.send(new StartFlowCommand({ flowName: 'flow', clientToken }));
    const first = await startFlow('t');
    await aws.settled();
    expect(await startFlow('t')).toMatchObject({ executionId: first.executionId });
    await aws.settled();
    expect(asked).toHaveLength(1);
    expect(aws.appflow.flows.events()).toMatchObject([
      {
        'detail-type': 'AppFlow End Flow Run Report',
        detail: { 'execution-id': first.executionId, status: 'Execution Successful' },
      },
    ]);
  });

  it('on a schedule are only activated by StartFlow, and the token is theirs alone', async () => {
    for (const flowName of ['daily', 'weekly']) {
      aws.appflow.flows.create({ flowName, connectorProfileName: 'sf', triggerType: 'Scheduled', status: 'Suspended' });
    }
    const reply = await client.send(new StartFlowCommand({ flowName: 'daily', clientToken: 't' }));
    expect([reply.flowStatus, reply.executionId]).toEqual(['Active', undefined]);
    expect(aws.appflow.flows.find('daily').status).toBe('Active');
    await aws.settled();
    expect(asked).toEqual([]);
    await expect(client.send(new StartFlowCommand({ flowName: 'weekly', clientToken: 't' }))).rejects.toMatchObject({
      name: 'ConflictException',
    });
  });

  it('leave the events that EventBridge would carry', async () => {
    aws.appflow.flows.create({ flowName: 'flow', connectorProfileName: 'sf', triggerType: 'Scheduled' });
    answer = () => ({ status: 400, body: { error: 'invalid_grant', error_description: 'expired authorization code' } });
    const failed = await aws.appflow.flows.run('flow');
    expect(failed).toMatchObject({
      source: 'aws.appflow',
      'detail-type': 'AppFlow End Flow Run Report',
      time: '2026-11-24T08:00:00Z',
      detail: {
        'flow-name': 'flow',
        'flow-arn': 'arn:aws:appflow:us-east-1:123456789012:flow/flow',
        'trigger-type': 'SCHEDULED',
        'start-time': '2026-11-24T08:00:00.000Z[UTC]',
        status: 'Execution Failed',
        error: expect.stringContaining('invalid_grant: expired authorization code'),
      },
    });
    const off = aws.appflow.flows.deactivate('flow', 'Connector authentication failed');
    expect(off).toMatchObject({ 'detail-type': 'AppFlow Scheduled Flow Deactivated' });
    expect(aws.appflow.flows.find('flow').status).toBe('Suspended');
    expect(aws.appflow.flows.events().map(({ id }) => id)).toEqual([failed.id, off.id]);
  });

  it('can be told to fail for any reason, or for none, and tell it in DescribeFlow too', async () => {
    aws.appflow.flows.create({
      flowName: 'copy',
      connectorProfileName: 'sf',
      triggerType: 'Event',
      destination: { connectorType: 'Salesforce', connectorProfileName: 'sf-other' },
    });
    const text = errorFrom('Destination Salesforce', 'INVALID_SESSION_ID');
    const failed = aws.appflow.flows.fail('copy', text);
    expect(failed.detail).toMatchObject({ status: 'Execution Failed', error: text, destination: 'SALESFORCE' });
    expect(aws.appflow.flows.fail('copy', null, text).detail['error']).toBeNull();
    const off = aws.appflow.flows.deactivate('copy', undefined, 'Too many failures.');
    expect(off['detail-type']).toBe('AppFlow Event Flow Deactivated');
    expect(off.detail['deactivation-reason']).toBeUndefined();
    expect(await client.send(new DescribeFlowCommand({ flowName: 'copy' }))).toMatchObject({
      flowStatus: 'Suspended',
      flowStatusMessage: 'Too many failures.',
      destinationFlowConfigList: [{ connectorType: 'Salesforce', connectorProfileName: 'sf-other' }],
      lastRunExecutionDetails: { mostRecentExecutionStatus: 'Error', mostRecentExecutionMessage: text },
    });
  });
});

it('ListFlows pages flows with their connector types, and tells no profile', async () => {
  await start(false);
  for (const flowName of ['f1', 'f2', 'f3'])
    aws.appflow.flows.create({
      flowName,
      connectorProfileName: 'sf',
      triggerType: 'Scheduled',
      schedule: 'rate(1hours)',
    });
  const first = await client.send(new ListFlowsCommand({ maxResults: 2 }));
  expect(first.flows).toHaveLength(2);
  expect(first.flows?.[0]).toMatchObject({
    flowName: 'f1',
    sourceConnectorType: 'Salesforce',
    triggerType: 'Scheduled',
  });
  expect(JSON.stringify(first.flows)).not.toContain('rofile');
  const second = await client.send(new ListFlowsCommand({ maxResults: 2, nextToken: first.nextToken }));
  expect(second.flows?.map(({ flowName }) => flowName)).toEqual(['f3']);
  expect(second.nextToken).toBeUndefined();
  await expect(client.send(new ListFlowsCommand({ maxResults: 101 }))).rejects.toMatchObject({
    name: 'ValidationException',
  });
  expect((await client.send(new DescribeFlowCommand({ flowName: 'f1' }))).triggerConfig).toEqual({
    triggerType: 'Scheduled',
    triggerProperties: { Scheduled: { scheduleExpression: 'rate(1hours)' } },
  });
});
