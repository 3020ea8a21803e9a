/** The connector profiles, and the credentials that AppFlow holds for them and shows to nobody. */

import type { ConnectorType, OAuth2GrantType } from '@aws-sdk/client-appflow';
import type { Environment } from '../wire/environment.ts';
import { AwsError } from '../wire/error.ts';
import { type ConnectionUse, createSalesforce, type SalesforceEndpoints } from './connection.ts';
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

/** For tests and the sample loader: no permissions, no faults, no checks. */
export interface ProfilesState {
  /** Puts a profile into the world as it is; dates are now unless given. */
  putProfile(profile: {
    readonly name: string;
    readonly connectorType?: ConnectorType;
    readonly connectionMode?: 'Public' | 'Private';
    readonly properties?: SalesforceProperties;
    readonly credentials?: SalesforceCredentials;
    readonly createdAt?: Date;
    readonly lastUpdatedAt?: Date;
  }): Profile;
  profile(name: string): Profile | undefined;
  profiles(): readonly Profile[];
  removeProfile(name: string): void;
  /** What AppFlow holds; no API ever tells. */
  credentials(name: string): SalesforceCredentials | undefined;
  /** Gets an access token with what the profile holds, exactly as a flow run would. */
  useConnection(name: string): Promise<ConnectionUse>;
  /** What DescribeConnectors lists, and UpdateConnectorProfile takes. */
  supportedGrants: readonly OAuth2GrantType[];
}

export interface Profiles {
  readonly state: ProfilesState;
  all(): readonly Profile[];
  /** @throws ResourceNotFoundException */
  find(name: string): Profile;
  /**
   * Tries new credentials on Salesforce, then keeps them together with the profile. Two at a time for one profile are a conflict.
   * @throws ValidationException, ConnectorAuthenticationException, ConflictException
   */
  accept(profile: () => ProfileContent, credentials: CheckedConfig['credentials']): Promise<Profile>;
}

export function createProfiles(
  env: Environment,
  endpoints: SalesforceEndpoints | undefined,
  readSecret: (arn: string) => string | undefined,
): Profiles {
  const profiles = new Map<string, Profile>();
  const held = new Map<string, SalesforceCredentials>();
  const inWork = new Set<string>();
  const salesforce = endpoints && createSalesforce(endpoints, readSecret);

  const state: ProfilesState = {
    supportedGrants: ['AUTHORIZATION_CODE', 'JWT_BEARER'],
    putProfile({ name, properties = {}, credentials, createdAt = env.now(), ...rest }) {
      const { connectorType = 'Salesforce', connectionMode = 'Public', lastUpdatedAt = createdAt } = rest;
      if (credentials !== undefined) held.set(name, credentials);
      const configuration = { [connectorType]: properties };
      return keep({ name, connectorType, connectionMode, properties: configuration, createdAt, lastUpdatedAt });
    },
    profile: (name) => profiles.get(name),
    profiles: () => [...profiles.values()],
    removeProfile(name) {
      profiles.delete(name);
      held.delete(name);
    },
    credentials: (name) => held.get(name),
    useConnection,
  };

  function keep(profile: ProfileContent): Profile {
    const secret = `secret:appflow!${env.accountId}-${profile.name}-${profile.createdAt.getTime()}`;
    const kept = {
      ...profile,
      arn: env.arn('appflow', `connectorprofile/${profile.name}`),
      credentialsArn: env.arn('secretsmanager', secret),
    };
    profiles.set(profile.name, kept);
    return kept;
  }

  function find(name: string): Profile {
    const profile = profiles.get(name);
    if (profile === undefined)
      throw new AwsError('ResourceNotFoundException', `Connector Profile: ${name} does not exist`, 404);
    return profile;
  }

  async function useConnection(name: string): Promise<ConnectionUse> {
    const credentials = held.get(name);
    if (salesforce === undefined) throw new Error('The local AWS was started without `salesforce`.');
    if (credentials === undefined)
      return { ok: false, status: 401, error: 'INVALID_SESSION_ID', description: 'No credentials' };
    const connected = await salesforce.connect(credentials, find(name).properties.Salesforce ?? {}, false);
    // Unless somebody brought new credentials meanwhile, AppFlow keeps what it got.
    if (held.get(name) === credentials) held.set(name, connected.credentials);
    return connected.use;
  }

  async function tried(profile: ProfileContent, credentials: SalesforceCredentials): Promise<SalesforceCredentials> {
    checkGrant(credentials, state.supportedGrants);
    if (salesforce === undefined) return credentials;
    const { use, credentials: kept } = await salesforce.connect(credentials, profile.properties.Salesforce ?? {}, true);
    if (use.ok) return kept;
    throw new AwsError(
      'ConnectorAuthenticationException',
      `Failed to validate the connection to Salesforce. ${use.error}: ${use.description}`,
      401,
    );
  }

  return {
    state,
    all: () => [...profiles.values()],
    find,
    async accept(profile, credentials) {
      const { name } = profile();
      if (inWork.has(name)) throw new AwsError('ConflictException', `Connector Profile: ${name} is being updated`, 409);
      inWork.add(name);
      try {
        if (credentials !== undefined) held.set(name, await tried(profile(), credentials));
        return keep(profile());
      } finally {
        inWork.delete(name);
      }
    },
  };
}
