/** The connector profiles, and the credentials that AppFlow holds for them and shows to nobody. */
import type {
  ConnectorProfileConfig,
  ConnectorType,
  CreateConnectorProfileRequest,
  OAuth2GrantType,
} from '@aws-sdk/client-appflow';
import type { Environment } from '../wire/operation.ts';
import { AwsError, errorOf } from '../wire/replies.ts';
import type { Wire } from '../wire/validation.ts';
import { type Connection, no, type SalesforceCredentials, type SalesforceProperties } from './connection.ts';

type Config = Wire<ConnectorProfileConfig>;

export interface Profile {
  readonly name: string;
  readonly arn: string;
  readonly connectorType: ConnectorType;
  readonly connectionMode: 'Public' | 'Private';
  /** As DescribeConnectorProfiles gives it: one key, the connector's. */
  readonly properties: Config['connectorProfileProperties'];
  readonly credentialsArn: string;
  readonly createdAt: Date;
  readonly lastUpdatedAt: Date;
}

export const refused = errorOf('ValidationException');
const blank = (field: string) => refused(`${field} cannot be blank for connector: SALESFORCE`);

/** What is public beyond the operations is for tests and the sample loader: no permissions, no faults, no checks. */
export class Profiles {
  /** What DescribeConnectors lists, and UpdateConnectorProfile takes. */
  supportedGrants: readonly OAuth2GrantType[] = ['AUTHORIZATION_CODE', 'JWT_BEARER'];
  readonly #env: Environment;
  readonly #connection: Connection | undefined;
  readonly #profiles = new Map<string, Profile>();
  readonly #held = new Map<string, SalesforceCredentials>();
  readonly #inWork = new Set<string>();

  /** Without a connection credentials are only held against the limits. */
  constructor(env: Environment, connection: Connection | undefined) {
    this.#env = env;
    this.#connection = connection;
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
  }): void {
    const { name, properties = {}, credentials, createdAt = this.#env.now() } = profile;
    const { connectorType = 'Salesforce', connectionMode = 'Public', lastUpdatedAt = createdAt } = profile;
    const { accountId, arn } = this.#env;
    if (credentials !== undefined) this.#held.set(name, credentials);
    this.#profiles.set(name, {
      name,
      arn: arn('appflow', `connectorprofile/${name}`),
      connectorType,
      connectionMode,
      properties: { [connectorType]: properties },
      credentialsArn: arn('secretsmanager', `secret:appflow!${accountId}-${name}-${createdAt.getTime()}`),
      createdAt,
      lastUpdatedAt,
    });
  }

  profile(name: string): Profile | undefined {
    return this.#profiles.get(name);
  }

  profiles(): readonly Profile[] {
    return [...this.#profiles.values()];
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
  async useConnection(name: string) {
    const credentials = this.#held.get(name);
    if (this.#connection === undefined) throw new Error('The local AWS was started without `salesforceUrl`.');
    if (credentials === undefined) return no(401, 'INVALID_SESSION_ID', 'No credentials');
    const connected = await this.#connection.connect(credentials, false);
    // Unless somebody brought new credentials meanwhile, AppFlow keeps what it got.
    if (this.#held.get(name) === credentials) this.#held.set(name, connected.credentials);
    return connected.use;
  }

  /** Puts credentials into a profile that is there, whatever they are worth. @throws ResourceNotFoundException */
  overwrite(name: string, credentials: SalesforceCredentials): Profile {
    const overwritten = { ...this.find(name), lastUpdatedAt: this.#env.now() };
    this.#held.set(name, credentials);
    this.#profiles.set(name, overwritten);
    return overwritten;
  }

  /** @throws ValidationException, ConflictException, ConnectorAuthenticationException */
  async create(request: Wire<CreateConnectorProfileRequest>): Promise<Profile> {
    const { connectorProfileName: name, connectorType, connectionMode, connectorProfileConfig: config } = request;
    if (this.#profiles.has(name)) {
      throw new AwsError('ConflictException', `Connector Profile: ${name} already exists`, 409);
    }
    const { properties, credentials } = partsOf(config, connectorType);
    const held = credentials === undefined ? undefined : await this.#tried(credentials);
    this.putProfile({
      name,
      connectorType,
      connectionMode,
      ...(properties !== undefined && { properties }),
      ...(held !== undefined && { credentials: held }),
    });
    return this.find(name);
  }

  /**
   * Tries new credentials on Salesforce, then keeps them. Mode and properties are replaced: a property that was not sent is gone.
   * @throws ResourceNotFoundException, ValidationException, ConnectorAuthenticationException, ConflictException
   */
  async update(name: string, connectionMode: Profile['connectionMode'], config: Config): Promise<Profile> {
    const { credentials } = partsOf(config, this.find(name).connectorType);
    if (this.#inWork.has(name)) {
      throw new AwsError('ConflictException', `Connector Profile: ${name} is being updated`, 409);
    }
    this.#inWork.add(name);
    try {
      if (credentials !== undefined) this.#held.set(name, await this.#tried(credentials));
      // The date is that of the end.
      const { connectorProfileProperties: properties } = config;
      const updated = { ...this.find(name), connectionMode, properties, lastUpdatedAt: this.#env.now() };
      this.#profiles.set(name, updated);
      return updated;
    } finally {
      this.#inWork.delete(name);
    }
  }

  /** @throws ResourceNotFoundException */
  find(name: string): Profile {
    const profile = this.#profiles.get(name);
    if (profile !== undefined) return profile;
    throw new AwsError('ResourceNotFoundException', `Connector Profile: ${name} does not exist`, 404);
  }

  async #tried(credentials: SalesforceCredentials): Promise<SalesforceCredentials> {
    this.#checkGrant(credentials);
    if (this.#connection === undefined) return credentials;
    const { use, credentials: kept } = await this.#connection.connect(credentials, true);
    if (use.ok) return kept;
    const message = `Failed to validate the connection to Salesforce. ${use.error}: ${use.description}`;
    throw new AwsError('ConnectorAuthenticationException', message, 401);
  }

  /** The API model marks no credential as required; the service nevertheless needs what the grant works with. */
  #checkGrant({
    oAuth2GrantType: grant,
    accessToken,
    oAuthRequest,
    jwtToken,
    clientCredentialsArn,
  }: SalesforceCredentials): void {
    if (grant === 'JWT_BEARER') {
      if (jwtToken === undefined) throw blank('JwtToken');
      return;
    }
    if (jwtToken !== undefined) throw refused('JwtToken is not supported for the given OAuth2GrantType');
    if (grant === 'CLIENT_CREDENTIALS' && this.supportedGrants.includes(grant)) {
      if (clientCredentialsArn === undefined) throw blank('ClientCredentialsArn');
      return;
    }
    if (grant === 'CLIENT_CREDENTIALS' || (accessToken ?? oAuthRequest?.authCode) === undefined)
      throw blank('AuthCode');
  }
}

/** What is Salesforce's in a configuration. @throws ValidationException where it is for another connector than that of the profile */
function partsOf(
  { connectorProfileProperties, connectorProfileCredentials }: Config,
  connectorType: ConnectorType,
): { readonly properties: SalesforceProperties | undefined; readonly credentials: SalesforceCredentials | undefined } {
  for (const part of [connectorProfileProperties, connectorProfileCredentials]) {
    if (part !== undefined && Object.keys(part).join() !== connectorType) {
      throw refused(`The connector profile configuration must be for the connector type ${connectorType} alone`);
    }
  }
  return {
    properties: connectorProfileProperties?.Salesforce,
    credentials: connectorProfileCredentials?.Salesforce,
  };
}
