import { earliest, endOf } from '../access-token-end.ts';
import type { ClientCredentialsConnection } from '../connection/connection.ts';
import type { Context } from '../context.ts';
import { RefreshError } from '../errors.ts';
import type { TokenEndpoint } from '../ports.ts';
import { clientFrom } from './client-secret.ts';
import { accessTokenAlone, checkAccessTokenLife, type Grant, type Obtained, type Serving } from './grant.ts';

/** CLIENT_CREDENTIALS (RFC 6749 section 4.4): the ARN for AppFlow to use, tried first, or an access token that we fetched with its secret. */
export function clientCredentials(connection: ClientCredentialsConnection): Grant {
  return {
    connection,
    handOver: () => connection.handOver,
    async obtain(serving, use) {
      const obtained = await obtain(connection, serving);
      await use(obtained);
      return obtained;
    },
    // Nothing is kept, so nothing is ever left undone.
    finish: async () => undefined,
    dryRunProves: true,
    async prove(context) {
      const { name, clientCredentialsArn, handOver } = connection;
      const client = await clientFrom(name, clientCredentialsArn, context, readerOf(handOver));
      await endpointOf(connection, context).exchangeClientCredentials(client, context.run);
      return { state: 'proven', detail: 'Salesforce issues access tokens for its client id and secret' };
    },
    lastRun: async () => undefined,
  };
}

async function obtain(connection: ClientCredentialsConnection, serving: Serving): Promise<Obtained> {
  const { name, clientCredentialsArn, handOver } = connection;
  const renewed = () => obtain(connection, serving);
  if (handOver === 'CLIENT_CREDENTIALS_ARN') await checkSupport(name, serving);
  const client = await clientFrom(name, clientCredentialsArn, serving, readerOf(handOver));
  const endpoint = endpointOf(connection, serving);
  // Also where AppFlow is given the ARN: a secret that does not work must never replace one that did.
  const token = await endpoint.exchangeClientCredentials(client, serving.run);
  if (handOver === 'CLIENT_CREDENTIALS_ARN') {
    const credentials = { oAuth2GrantType: 'CLIENT_CREDENTIALS', clientCredentialsArn } as const;
    return { credentials, handOver, validUntil: null, renewed };
  }
  const validUntil = earliest(endOf(token), await endpoint.expiryOf(client, token.accessToken, serving.run));
  checkAccessTokenLife(validUntil, serving);
  return { credentials: accessTokenAlone(token.accessToken), handOver, validUntil, renewed };
}

function readerOf(handOver: ClientCredentialsConnection['handOver']): 'AppFlow' | 'us' {
  return handOver === 'CLIENT_CREDENTIALS_ARN' ? 'AppFlow' : 'us';
}

function endpointOf(connection: ClientCredentialsConnection, { rules, ports }: Context): TokenEndpoint {
  return ports.salesforce.tokenEndpoint(connection, rules.secretPrefix + connection.name);
}

async function checkSupport(name: string, { supportedGrants }: Serving): Promise<void> {
  const supported = await supportedGrants();
  if (supported?.has('CLIENT_CREDENTIALS') === true) return;
  throw new RefreshError(
    'GRANT_UNSUPPORTED',
    'AppFlow does not list CLIENT_CREDENTIALS for Salesforce in this account and Region.',
    `Set "handOver": "ACCESS_TOKEN" in the secret of ${name}: the access token is then fetched here and handed over.`,
  );
}
