import { generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Clock } from '../../functions/core/run.ts';
import type { SalesforceCredentials } from './appflow/connection.ts';
import type { LocalWorld } from './world.ts';

const HOUR = 3_600_000;

/**
 * The connections of `npm start`: every kind the product serves, in the state in which a person would look for help, and one that only
 * a person can mend. Keys are made anew each time; the profiles' credentials have all run out.
 */
export async function loadSamples({ aws, salesforce }: LocalWorld, clock: Clock): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const pkcs1 = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  const users = ['appflow@acme.example', 'appflow@acme.example.uat', 'o~brien@acme.example', 'zoë.müller@acme.example'];
  salesforce.registerApp({
    clientId: '3MVG9.acme-production',
    certificates: [publicKey.export({ type: 'spki', format: 'pem' }).toString()],
    users,
  });

  const expired = await new SignJWT({ iss: '3MVG9.acme-production', sub: 'appflow@acme.example' })
    .setProtectedHeader({ alg: 'RS256' })
    .setExpirationTime(Math.floor(clock.now() / 1000) - 3600)
    .sign(privateKey);
  const profile = (
    name: string,
    hoursOld: number,
    properties: Record<string, unknown>,
    connectionMode: 'Public' | 'Private' = 'Public',
    credentials: SalesforceCredentials = { oAuth2GrantType: 'JWT_BEARER', jwtToken: expired },
  ) =>
    aws.appflow.putProfile({
      name,
      connectionMode,
      properties,
      credentials,
      createdAt: new Date(clock.now() - 400 * HOUR),
      lastUpdatedAt: new Date(clock.now() - hoursOld * HOUR),
    });
  const secret = (name: string, value: Record<string, unknown>, tags: Record<string, string> = {}) =>
    aws.secrets.create({
      name: `appflow-token-refresher/${name}`,
      value: JSON.stringify({ loginUrl: salesforce.url, ...value }),
      tags,
    });
  const jwt = { grantType: 'JWT_BEARER', clientId: '3MVG9.acme-production' };

  profile('sf-production', 26, { instanceUrl: 'https://acme.my.salesforce.com', isSandboxEnvironment: false });
  secret('sf-production', { ...jwt, username: users[0], privateKey: pkcs8, audience: 'https://login.salesforce.com' });

  aws.appflow.flows.create({
    flowName: 'accounts-hourly',
    connectorProfileName: 'sf-production',
    triggerType: 'Scheduled',
    schedule: 'rate(1hours)',
  });
  aws.appflow.flows.create({ flowName: 'orders-by-hand', connectorProfileName: 'sf-production' });

  profile('acme-uat', 5, { instanceUrl: 'https://acme--uat.sandbox.my.salesforce.com', isSandboxEnvironment: true });
  secret(
    'sf-sandbox',
    {
      ...jwt,
      username: users[1],
      privateKey: pkcs1,
      audience: 'https://test.salesforce.com',
      handOver: 'ACCESS_TOKEN',
      connectorProfileName: 'acme-uat',
    },
    { 'connector-profile-name': 'acme-uat' },
  );

  profile(
    'sf-privatelink',
    3,
    {
      instanceUrl: 'https://acme.my.salesforce.com',
      isSandboxEnvironment: false,
      usePrivateLinkForMetadataAndAuthorization: true,
    },
    'Private',
  );
  secret('sf-privatelink', { ...jwt, username: users[0], privateKey: Buffer.from(pkcs8).toString('base64') });

  profile('sf-tilde', 2, { instanceUrl: 'https://acme.my.salesforce.com' });
  secret('sf-tilde', { ...jwt, username: users[2], privateKey: pkcs8 });

  profile('sf-unicode', 2, { instanceUrl: 'https://acme.my.salesforce.com' });
  secret('sf-unicode', { ...jwt, username: users[3], privateKey: pkcs8 }, { 'refresh-interval-seconds': '1800' });

  const ranOut: SalesforceCredentials = { oAuth2GrantType: 'AUTHORIZATION_CODE', accessToken: '00D-ran-out-hours-ago' };
  // Refresh tokens, of an app that rotates them and of one that does not; the seeds are what a person got who authorised the apps.
  for (const [name, rotation] of [
    ['sf-rotating', true],
    ['sf-steady', false],
  ] as const) {
    const client = { clientId: `3MVG9.acme-${name}`, clientSecret: `sample-secret-of-${name}` };
    salesforce.registerApp({ ...client, users, rotation });
    const { refreshToken } = await salesforce.issueRefreshToken(client.clientId, 'appflow@acme.example');
    profile(name, 4, { instanceUrl: 'https://acme.my.salesforce.com' }, 'Public', ranOut);
    secret(name, { grantType: 'AUTHORIZATION_CODE', ...client, refreshToken }, { 'refresh-interval-seconds': '1800' });
  }

  const client = { clientId: '3MVG9.acme-client', clientSecret: 'sample-secret-of-sf-client' };
  salesforce.registerApp({ ...client, clientCredentialsUser: 'appflow@acme.example' });
  const { arn } = aws.secrets.create({
    name: 'appflow-client-credentials/sf-client',
    value: JSON.stringify(client),
    tags: { 'appflow-token-refresher-connections': 'sf-client' },
  });
  profile('sf-client', 4, { instanceUrl: 'https://acme.my.salesforce.com' }, 'Public', ranOut);
  secret('sf-client', { grantType: 'CLIENT_CREDENTIALS', clientCredentialsArn: arn, handOver: 'ACCESS_TOKEN' });

  // For `add`: an app without a certificate, and a profile that nobody refreshes yet.
  salesforce.registerApp({ clientId: '3MVG9.acme-new', users });
  profile('sf-new', 50, { instanceUrl: 'https://acme.my.salesforce.com' });

  // Salesforce does not know this user: only its administrator can help.
  profile('sf-broken', 30, { instanceUrl: 'https://acme.my.salesforce.com' });
  secret('sf-broken', {
    ...jwt,
    username: 'left-the-company@acme.example',
    privateKey: pkcs8,
    handOver: 'ACCESS_TOKEN',
  });
}
