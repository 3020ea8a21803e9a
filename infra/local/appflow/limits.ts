/**
 * What AppFlow's API model (2020-08-23) lets through. Written down here a second time on purpose: a stand-in that shared the
 * product's own table would share its mistakes too.
 */
import * as v from 'valibot';
import { AwsError, integer, list, parse, text } from '../wire/wire.ts';

const notBlank = /\S+/;

export const connectorProfileName = text({ max: 256, pattern: /[\w/!@#+=.-]+/ });
const connectorType = v.picklist([
  'Salesforce',
  'Singular',
  'Slack',
  'Redshift',
  'S3',
  'Marketo',
  'Googleanalytics',
  'Zendesk',
  'Servicenow',
  'Datadog',
  'Trendmicro',
  'Snowflake',
  'Dynatrace',
  'Infornexus',
  'Amplitude',
  'Veeva',
  'EventBridge',
  'LookoutMetrics',
  'Upsolver',
  'Honeycode',
  'CustomerProfiles',
  'SAPOData',
  'CustomConnector',
  'Pardot',
]);
const label = text({ max: 256, pattern: /[a-zA-Z0-9][\w!@#.-]+/ });
const connectionMode = v.picklist(['Public', 'Private']);
const clientToken = v.optional(text({ min: 1, max: 256, pattern: /[ -~]+/ }));
const flowName = text({ max: 256, pattern: /[a-zA-Z0-9][\w!@#.-]+/ });
const paging = {
  maxResults: v.optional(integer(1, 100), 20),
  nextToken: v.optional(text({ max: 2048, pattern: notBlank })),
};

const salesforceProperties = v.object({
  instanceUrl: v.optional(text({ max: 256, pattern: notBlank })),
  isSandboxEnvironment: v.optional(v.boolean()),
  usePrivateLinkForMetadataAndAuthorization: v.optional(v.boolean()),
});

const grantType = v.picklist(['CLIENT_CREDENTIALS', 'AUTHORIZATION_CODE', 'JWT_BEARER']);

const salesforceCredentials = v.object({
  accessToken: v.optional(text({ max: 4096, pattern: notBlank })),
  refreshToken: v.optional(text({ max: 4096, pattern: notBlank })),
  oAuthRequest: v.optional(
    v.object({
      authCode: v.optional(text({ max: 4096, pattern: notBlank })),
      redirectUri: v.optional(text({ max: 512, pattern: notBlank })),
    }),
  ),
  clientCredentialsArn: v.optional(text({ min: 20, max: 2048, pattern: /arn:aws:secretsmanager:.*:[0-9]+:.*/ })),
  oAuth2GrantType: v.optional(grantType),
  // Without a hyphen in the first two parts, though base64url has one.
  jwtToken: v.optional(text({ max: 8000, pattern: /([a-zA-Z0-9_=]+)\.([a-zA-Z0-9_=]+)\.([a-zA-Z0-9_\-+/=]*)/ })),
});

export type ConnectorType = v.InferOutput<typeof connectorType>;
export type OAuth2GrantType = v.InferOutput<typeof grantType>;
export type SalesforceProperties = v.InferOutput<typeof salesforceProperties>;
export type SalesforceCredentials = v.InferOutput<typeof salesforceCredentials>;

/** One key, the connector's; what other connectors than Salesforce keep under theirs is not looked at. */
const properties = v.record(v.string(), v.looseObject({}));

const config = v.object({
  connectorProfileProperties: properties,
  connectorProfileCredentials: v.optional(properties),
});

export const shapes = {
  describeConnectorProfiles: v.object({
    connectorProfileNames: v.optional(list(connectorProfileName, 100)),
    connectorType: v.optional(connectorType),
    connectorLabel: v.optional(label),
    ...paging,
  }),
  createConnectorProfile: v.object({
    connectorProfileName,
    kmsArn: v.optional(text({ min: 20, max: 2048, pattern: /arn:aws:kms:.*:[0-9]+:.*/ })),
    connectorType,
    connectorLabel: v.optional(label),
    connectionMode,
    connectorProfileConfig: config,
    clientToken,
  }),
  updateConnectorProfile: v.object({
    connectorProfileName,
    connectionMode,
    connectorProfileConfig: config,
    clientToken,
  }),
  deleteConnectorProfile: v.object({ connectorProfileName, forceDelete: v.optional(v.boolean(), false) }),
  describeConnectors: v.object({ connectorTypes: v.optional(list(connectorType, 100), []), ...paging }),
  describeFlow: v.object({ flowName }),
  startFlow: v.object({ flowName, clientToken }),
};

export interface CheckedConfig {
  readonly properties: Readonly<Record<string, unknown>>;
  readonly credentials: SalesforceCredentials | undefined;
}

/**
 * Holds a profile's configuration against its connector: the properties must be that connector's and no other's.
 * @throws ValidationException
 */
export function checkConfig(type: string, given: v.InferOutput<typeof config>): CheckedConfig {
  const { connectorProfileProperties, connectorProfileCredentials } = given;
  for (const part of [connectorProfileProperties, connectorProfileCredentials]) {
    if (part !== undefined && Object.keys(part).join() !== type) {
      throw refused(`The connector profile configuration must be for the connector type ${type} and for no other`);
    }
  }
  if (type !== 'Salesforce') return { properties: connectorProfileProperties, credentials: undefined };
  const shape = v.object({
    connectorProfileConfig: v.object({
      connectorProfileProperties: v.object({ Salesforce: salesforceProperties }),
      connectorProfileCredentials: v.optional(v.object({ Salesforce: salesforceCredentials })),
    }),
  });
  const checked = parse(shape, { connectorProfileConfig: given }).connectorProfileConfig;
  return {
    properties: checked.connectorProfileProperties,
    credentials: checked.connectorProfileCredentials?.Salesforce,
  };
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

export function refused(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
