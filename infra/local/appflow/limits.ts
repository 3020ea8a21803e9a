/** What AppFlow asks of a connector profile beyond the published shape of the request. */
import type {
  ConnectorProfileConfig,
  ConnectorType,
  OAuth2GrantType,
  SalesforceConnectorProfileCredentials,
  SalesforceConnectorProfileProperties,
} from '@aws-sdk/client-appflow';
import { errorOf } from '../wire/error.ts';
import type { Wire } from '../wire/validation.ts';

export type SalesforceProperties = Wire<SalesforceConnectorProfileProperties>;
export type SalesforceCredentials = Wire<SalesforceConnectorProfileCredentials>;

export const refused = errorOf('ValidationException');

export interface CheckedConfig {
  /** One key, the connector's. */
  readonly properties: Wire<ConnectorProfileConfig>['connectorProfileProperties'];
  readonly credentials: SalesforceCredentials | undefined;
}

/**
 * Holds a profile's configuration against its connector: the properties must be that connector's and no other's.
 * @throws ValidationException
 */
export function checkConfig(type: ConnectorType, config: Wire<ConnectorProfileConfig>): CheckedConfig {
  const { connectorProfileProperties: properties, connectorProfileCredentials: credentials } = config;
  for (const part of [properties, credentials]) {
    if (part !== undefined && Object.keys(part).join() !== type) {
      throw refused(`The connector profile configuration must be for the connector type ${type} and for no other`);
    }
  }
  return { properties, credentials: credentials?.Salesforce };
}

/** The API model marks no credential as required; the service nevertheless needs what the grant works with. */
export function checkGrant(credentials: SalesforceCredentials, supported: readonly OAuth2GrantType[]): void {
  const {
    oAuth2GrantType = 'AUTHORIZATION_CODE',
    accessToken,
    oAuthRequest,
    jwtToken,
    clientCredentialsArn,
  } = credentials;
  if (oAuth2GrantType === 'JWT_BEARER') {
    if (jwtToken === undefined) throw refused('JwtToken cannot be blank for connector: SALESFORCE');
    return;
  }
  if (jwtToken !== undefined) throw refused('JwtToken is not supported for the given OAuth2GrantType');
  if (oAuth2GrantType === 'CLIENT_CREDENTIALS' && supported.includes('CLIENT_CREDENTIALS')) {
    if (clientCredentialsArn === undefined)
      throw refused('ClientCredentialsArn cannot be blank for connector: SALESFORCE');
    return;
  }
  if (oAuth2GrantType === 'CLIENT_CREDENTIALS' || (accessToken === undefined && oAuthRequest?.authCode === undefined)) {
    throw refused('AuthCode cannot be blank for connector: SALESFORCE');
  }
}
