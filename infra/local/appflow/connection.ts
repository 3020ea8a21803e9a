/** How AppFlow itself gets into Salesforce with the credentials that it holds. */
import * as v from 'valibot';
import type { SalesforceCredentials, SalesforceProperties } from './limits.ts';

export interface SalesforceOrg {
  readonly isSandbox: boolean;
  readonly instanceUrl?: string;
}

/** Where AppFlow finds Salesforce. `client` is AppFlow's own app, used for a refresh token that came without an ARN. */
export interface SalesforceEndpoints {
  tokenEndpoint(profile: SalesforceOrg): string;
  userinfoEndpoint(profile: SalesforceOrg): string;
  readonly client?: { readonly clientId: string; readonly clientSecret?: string };
}

export type ConnectionUse =
  | { readonly ok: true; readonly accessToken: string }
  | { readonly ok: false; readonly status: number; readonly error: string; readonly description: string };

/** `credentials` is what AppFlow holds from now on: it keeps a new refresh token without telling anybody. */
export interface Connected {
  readonly use: ConnectionUse;
  readonly credentials: SalesforceCredentials;
}

export interface Salesforce {
  /**
   * Gets a working access token, as a flow run does. `trial` is UpdateConnectorProfile's look at new credentials: it never
   * spends a refresh token.
   */
  connect(credentials: SalesforceCredentials, properties: SalesforceProperties, trial: boolean): Promise<Connected>;
}

type Exchange = { readonly accessToken: string; readonly refreshToken: string | undefined } | Refusal;
type Refusal = Extract<ConnectionUse, { ok: false }>;

const granted = v.object({ access_token: v.string(), refresh_token: v.optional(v.string()) });
const denied = v.object({ error: v.string(), error_description: v.optional(v.string(), '') });
const clientSecret = v.pipe(v.string(), v.parseJson(), v.object({ clientId: v.string(), clientSecret: v.string() }));

/** `readSecret` gives the value of a secret by ARN, as AppFlow's service principal may read it. */
export function createSalesforce(
  endpoints: SalesforceEndpoints,
  readSecret: (arn: string) => string | undefined,
): Salesforce {
  async function exchange(org: SalesforceOrg, parameters: Record<string, string>): Promise<Exchange> {
    const response = await fetch(endpoints.tokenEndpoint(org), {
      method: 'POST',
      body: new URLSearchParams(parameters),
    });
    const body: unknown = await response.json().catch(() => undefined);
    const reply = v.safeParse(granted, body);
    if (response.ok && reply.success) {
      return { accessToken: reply.output.access_token, refreshToken: reply.output.refresh_token };
    }
    const refusal = v.safeParse(denied, body);
    return refusal.success
      ? no(response.status, refusal.output.error, refusal.output.error_description)
      : no(response.status, 'unreadable', 'The token endpoint gave no OAuth answer.');
  }

  async function userinfo(org: SalesforceOrg, accessToken: string): Promise<ConnectionUse> {
    const headers = { authorization: `Bearer ${accessToken}` };
    const response = await fetch(endpoints.userinfoEndpoint(org), { headers });
    await response.body?.cancel();
    return response.ok
      ? { ok: true, accessToken }
      : no(response.status, 'INVALID_SESSION_ID', 'Session expired or invalid');
  }

  /** The app that a refresh token or a code belongs to. */
  function client(arn: string | undefined): Record<string, string> | undefined {
    if (arn === undefined) {
      const { clientId, clientSecret: secret } = endpoints.client ?? {};
      if (clientId === undefined) return undefined;
      return { client_id: clientId, ...(secret !== undefined && { client_secret: secret }) };
    }
    const parsed = v.safeParse(clientSecret, readSecret(arn));
    if (!parsed.success) return undefined;
    return { client_id: parsed.output.clientId, client_secret: parsed.output.clientSecret };
  }

  /** Exchanges, and keeps what came of it. */
  async function obtain(
    held: SalesforceCredentials,
    org: SalesforceOrg,
    parameters: Record<string, string>,
    needsClient: boolean,
  ): Promise<Connected> {
    const app = needsClient ? client(held.clientCredentialsArn) : {};
    if (app === undefined) {
      return { use: no(400, 'invalid_client_id', 'client identifier invalid'), credentials: held };
    }
    const result = await exchange(org, { ...parameters, ...app });
    if ('ok' in result) return { use: result, credentials: held };
    const { accessToken, refreshToken = held.refreshToken } = result;
    const { oAuthRequest: _, ...rest } = held;
    const kept = needsClient ? { ...rest, accessToken, ...(refreshToken !== undefined && { refreshToken }) } : held;
    return { use: { ok: true, accessToken }, credentials: kept };
  }

  return {
    async connect(held, properties, trial) {
      const { instanceUrl } = properties;
      const org = {
        isSandbox: properties.isSandboxEnvironment ?? false,
        ...(instanceUrl !== undefined && { instanceUrl }),
      };
      const {
        oAuth2GrantType: grant = 'AUTHORIZATION_CODE',
        jwtToken = '',
        accessToken,
        refreshToken,
        oAuthRequest,
      } = held;
      if (grant === 'JWT_BEARER') {
        // The same JWT every time, for as long as it lives.
        const parameters = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: jwtToken };
        return obtain(held, org, parameters, false);
      }
      if (grant === 'CLIENT_CREDENTIALS') {
        const { credentials: _, ...connected } = await obtain(held, org, { grant_type: 'client_credentials' }, true);
        return { ...connected, credentials: held };
      }
      if (oAuthRequest?.authCode !== undefined) {
        const { authCode: code, redirectUri = '' } = oAuthRequest;
        return obtain(held, org, { grant_type: 'authorization_code', code, redirect_uri: redirectUri }, true);
      }
      const use =
        accessToken === undefined ? no(401, 'INVALID_SESSION_ID', 'No access token') : await userinfo(org, accessToken);
      if (use.ok || trial || refreshToken === undefined) return { use, credentials: held };
      // Here AppFlow spends the refresh token, and where rotation is on nobody else will ever know the new one.
      return obtain(held, org, { grant_type: 'refresh_token', refresh_token: refreshToken }, true);
    },
  };
}

function no(status: number, error: string, description: string): Refusal {
  return { ok: false, status, error, description };
}
