/** How AppFlow itself gets into Salesforce with the credentials that it holds. */
import type {
  SalesforceConnectorProfileCredentials as Credentials,
  SalesforceConnectorProfileProperties as Properties,
} from '@aws-sdk/client-appflow';
import * as v from 'valibot';
import type { Wire } from '../wire/validation.ts';

export type SalesforceCredentials = Wire<Credentials>;
export type SalesforceProperties = Wire<Properties>;

type ConnectionUse =
  | { readonly ok: true; readonly accessToken: string }
  | { readonly ok: false; readonly status: number; readonly error: string; readonly description: string };

const Granted = v.object({ access_token: v.string(), refresh_token: v.optional(v.string()) });
const Denied = v.object({ error: v.string(), error_description: v.optional(v.string(), '') });
const Client = v.pipe(v.string(), v.parseJson(), v.object({ clientId: v.string(), clientSecret: v.string() }));

export class Connection {
  readonly #url: string;
  readonly #readSecret: (arn: string) => string | undefined;

  /** `readSecret` gives the value of a secret by ARN, as AppFlow's service principal may read it. */
  constructor(url: string, readSecret: (arn: string) => string | undefined) {
    this.#url = url;
    this.#readSecret = readSecret;
  }

  /**
   * Gets a working access token, as a flow run does. `trial` is UpdateConnectorProfile's look at new credentials: it never spends a
   * refresh token. `credentials` in the answer is what AppFlow holds from now on: it keeps a new refresh token without telling anybody.
   */
  async connect(
    held: SalesforceCredentials,
    trial: boolean,
  ): Promise<{ readonly use: ConnectionUse; readonly credentials: SalesforceCredentials }> {
    const { oAuth2GrantType, jwtToken = '', accessToken, refreshToken } = held;
    if (oAuth2GrantType === 'JWT_BEARER') {
      // The same JWT every time, for as long as it lives.
      const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: jwtToken };
      return { use: (await this.#exchange(grant)).use, credentials: held };
    }
    if (oAuth2GrantType === 'CLIENT_CREDENTIALS') {
      const { use } = await this.#exchange({ grant_type: 'client_credentials' }, held);
      return { use, credentials: held };
    }
    const use = await this.#userinfo(accessToken);
    if (use.ok || trial || refreshToken === undefined) return { use, credentials: held };
    // Here AppFlow spends the refresh token, and where rotation is on nobody else will ever know the new one.
    const fresh = await this.#exchange({ grant_type: 'refresh_token', refresh_token: refreshToken }, held);
    return { use: fresh.use, credentials: { ...held, ...fresh.tokens } };
  }

  /** With the app of `owner`, where one is needed. */
  async #exchange(
    grant: Record<string, string>,
    owner?: SalesforceCredentials,
  ): Promise<{ readonly use: ConnectionUse; readonly tokens?: { accessToken: string; refreshToken?: string } }> {
    let app = {};
    if (owner !== undefined) {
      const client = v.safeParse(Client, this.#readSecret(owner.clientCredentialsArn ?? ''));
      if (!client.success) return { use: no(400, 'invalid_client_id', 'client identifier invalid') };
      app = { client_id: client.output.clientId, client_secret: client.output.clientSecret };
    }
    const parameters = new URLSearchParams({ ...grant, ...app });
    const response = await fetch(`${this.#url}/services/oauth2/token`, { method: 'POST', body: parameters });
    const body: unknown = await response.json().catch(() => undefined);
    const reply = v.safeParse(Granted, body);
    if (response.ok && reply.success) {
      const { access_token: accessToken, refresh_token: refreshToken } = reply.output;
      const tokens = { accessToken, ...(refreshToken !== undefined && { refreshToken }) };
      return { use: { ok: true, accessToken }, tokens };
    }
    const refusal = v.safeParse(Denied, body);
    const { error, error_description: description } = refusal.success
      ? refusal.output
      : { error: 'unreadable', error_description: 'The token endpoint gave no OAuth answer.' };
    return { use: no(response.status, error, description) };
  }

  async #userinfo(accessToken: string | undefined): Promise<ConnectionUse> {
    if (accessToken === undefined) return no(401, 'INVALID_SESSION_ID', 'No access token');
    const headers = { authorization: `Bearer ${accessToken}` };
    const response = await fetch(`${this.#url}/services/oauth2/userinfo`, { headers });
    await response.body?.cancel();
    return response.ok
      ? { ok: true, accessToken }
      : no(response.status, 'INVALID_SESSION_ID', 'Session expired or invalid');
  }
}

export function no(status: number, error: string, description: string): ConnectionUse {
  return { ok: false, status, error, description };
}
