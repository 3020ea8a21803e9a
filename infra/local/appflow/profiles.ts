/** The connector profiles, and the credentials that AppFlow holds for them and shows to nobody. */

import type { ConnectorType, OAuth2GrantType } from '@aws-sdk/client-appflow';
import type { Environment } from '../wire/environment.ts';
import { AwsError } from '../wire/error.ts';
import type { ConnectionUse, Salesforce } from './connection.ts';
import { type CheckedConfig, checkGrant, type SalesforceCredentials, type SalesforceProperties } from './limits.ts';

export interface Profile {
  readonly name: string;
  readonly arn: string;
  readonly connectorType: ConnectorType;
  readonly connectorLabel?: string | undefined;
  readonly connectionMode: 'Public' | 'Private';
  /** As DescribeConnectorProfiles gives it: one key, the connector's. */
  readonly properties: CheckedConfig['properties'];
  readonly credentialsArn: string;
  readonly createdAt: Date;
  readonly lastUpdatedAt: Date;
}

type ProfileContent = Omit<Profile, 'arn' | 'credentialsArn'>;

/** What is public beyond the operations is for tests and the sample loader: no permissions, no faults, no checks. */
export class Profiles {
  /** What DescribeConnectors lists, and UpdateConnectorProfile takes. */
  supportedGrants: readonly OAuth2GrantType[] = ['AUTHORIZATION_CODE', 'JWT_BEARER'];
  readonly #env: Environment;
  readonly #salesforce: Salesforce | undefined;
  readonly #profiles = new Map<string, Profile>();
  readonly #held = new Map<string, SalesforceCredentials>();
  readonly #inWork = new Set<string>();

  constructor(env: Environment, salesforce: Salesforce | undefined) {
    this.#env = env;
    this.#salesforce = salesforce;
  }

  /** Puts a profile into the world as it is; dates are now unless given. */
  putProfile(profile: {
    readonly name: string;
    readonly connectorType?: ConnectorType;
    readonly connectionMode?: 'Public' | 'Private';
    readonly properties?: SalesforceProperties;
    readonly credentials?: SalesforceCredentials;
    readonly createdAt?: Date;
    readonly lastUpdatedAt?: Date;
  }): Profile {
    const { name, properties = {}, credentials, createdAt = this.#env.now() } = profile;
    const { connectorType = 'Salesforce', connectionMode = 'Public', lastUpdatedAt = createdAt } = profile;
    if (credentials !== undefined) this.#held.set(name, credentials);
    const configuration = { [connectorType]: properties };
    return this.#keep({ name, connectorType, connectionMode, properties: configuration, createdAt, lastUpdatedAt });
  }

  profile(name: string): Profile | undefined {
    return this.#profiles.get(name);
  }

  profiles(): readonly Profile[] {
    return [...this.#profiles.values()];
  }

  /** @throws ResourceNotFoundException */
  find(name: string): Profile {
    const profile = this.#profiles.get(name);
    if (profile === undefined)
      throw new AwsError('ResourceNotFoundException', `Connector Profile: ${name} does not exist`, 404);
    return profile;
  }

  removeProfile(name: string): void {
    this.#profiles.delete(name);
    this.#held.delete(name);
  }

  /** What AppFlow holds; no API ever tells. */
  credentials(name: string): SalesforceCredentials | undefined {
    return this.#held.get(name);
  }

  /** Gets an access token with what the profile holds, exactly as a flow run would. */
  async useConnection(name: string): Promise<ConnectionUse> {
    const credentials = this.#held.get(name);
    if (this.#salesforce === undefined) throw new Error('The local AWS was started without `salesforce`.');
    if (credentials === undefined)
      return { ok: false, status: 401, error: 'INVALID_SESSION_ID', description: 'No credentials' };
    const properties = this.find(name).properties.Salesforce ?? {};
    const connected = await this.#salesforce.connect(credentials, properties, false);
    // Unless somebody brought new credentials meanwhile, AppFlow keeps what it got.
    if (this.#held.get(name) === credentials) this.#held.set(name, connected.credentials);
    return connected.use;
  }

  /**
   * Tries new credentials on Salesforce, then keeps them together with the profile. Two at a time for one profile are a conflict.
   * @throws ValidationException, ConnectorAuthenticationException, ConflictException
   */
  async accept(profile: () => ProfileContent, credentials: SalesforceCredentials | undefined): Promise<Profile> {
    const { name } = profile();
    if (this.#inWork.has(name))
      throw new AwsError('ConflictException', `Connector Profile: ${name} is being updated`, 409);
    this.#inWork.add(name);
    try {
      if (credentials !== undefined) this.#held.set(name, await this.#tried(profile(), credentials));
      return this.#keep(profile());
    } finally {
      this.#inWork.delete(name);
    }
  }

  #keep(profile: ProfileContent): Profile {
    const { accountId, arn } = this.#env;
    const secret = `secret:appflow!${accountId}-${profile.name}-${profile.createdAt.getTime()}`;
    const kept = {
      ...profile,
      arn: arn('appflow', `connectorprofile/${profile.name}`),
      credentialsArn: arn('secretsmanager', secret),
    };
    this.#profiles.set(profile.name, kept);
    return kept;
  }

  async #tried(profile: ProfileContent, credentials: SalesforceCredentials): Promise<SalesforceCredentials> {
    checkGrant(credentials, this.supportedGrants);
    if (this.#salesforce === undefined) return credentials;
    const { use, credentials: kept } = await this.#salesforce.connect(
      credentials,
      profile.properties.Salesforce ?? {},
      true,
    );
    if (use.ok) return kept;
    throw new AwsError(
      'ConnectorAuthenticationException',
      `Failed to validate the connection to Salesforce. ${use.error}: ${use.description}`,
      401,
    );
  }
}
