import { RefreshError } from './errors.ts';
import { Redacted } from './redacted.ts';
import { enumerated } from './wording.ts';

/** AppFlow's own words for a grant (`OAuth2GrantType`). */
export type GrantType = 'JWT_BEARER' | 'AUTHORIZATION_CODE' | 'CLIENT_CREDENTIALS';

/** `SalesforceConnectorProfileCredentials` of the AppFlow API, secrets in their boxes. */
export interface Credentials {
  readonly oAuth2GrantType: GrantType;
  readonly jwtToken?: Redacted;
  readonly accessToken?: Redacted;
  readonly refreshToken?: Redacted;
  readonly clientCredentialsArn?: string;
}

/**
 * One row of AppFlow's published limits: lengths in characters and the pattern, anchored only where it is published so; or the values. A pattern
 * speaks of the whole value all the same, as AWS's services read theirs.
 */
export type Limit =
  | { readonly min: number; readonly max: number; readonly pattern: RegExp }
  | { readonly values: readonly string[] };

/**
 * The limits that AppFlow publishes, to be held against the pages line by line:
 * https://docs.aws.amazon.com/appflow/1.0/APIReference/API_SalesforceConnectorProfileCredentials.html,
 * …/API_ConnectorOAuthRequest.html, …/API_SalesforceConnectorProfileProperties.html and …/API_UpdateConnectorProfile.html.
 *
 * CloudFormation documents a pattern for `jwtToken` that allows `-` in every segment. The API's is the stricter one and is the one obeyed.
 */
export const APPFLOW_LIMITS = {
  accessToken: { min: 0, max: 4096, pattern: /\S+/ },
  refreshToken: { min: 0, max: 4096, pattern: /\S+/ },
  clientCredentialsArn: { min: 20, max: 2048, pattern: /arn:aws:secretsmanager:.*:[0-9]+:.*/ },
  jwtToken: { min: 0, max: 8000, pattern: /^([a-zA-Z0-9_=]+)\.([a-zA-Z0-9_=]+)\.([a-zA-Z0-9_\-+/=]*)/ },
  oAuth2GrantType: { values: ['CLIENT_CREDENTIALS', 'AUTHORIZATION_CODE', 'JWT_BEARER'] },
  'oAuthRequest.authCode': { min: 0, max: 4096, pattern: /\S+/ },
  'oAuthRequest.redirectUri': { min: 0, max: 512, pattern: /\S+/ },
  connectorProfileName: { min: 0, max: 256, pattern: /[\w/!@#+=.-]+/ },
  connectionMode: { values: ['Public', 'Private'] },
  instanceUrl: { min: 0, max: 256, pattern: /\S+/ },
  clientToken: { min: 1, max: 256, pattern: /[ -~]+/ },
} as const satisfies Record<string, Limit>;

export type LimitedField = keyof typeof APPFLOW_LIMITS;

/** What is wrong with the value of one field, without the value; `undefined` where AppFlow takes it. */
export function violation(field: LimitedField, value: string): string | undefined {
  const limit: Limit = APPFLOW_LIMITS[field];
  if ('values' in limit)
    return limit.values.includes(value) ? undefined : `${field} is none of ${limit.values.join(', ')}`;
  const { min, max, pattern } = limit;
  const length = [...value].length;
  if (length > max) return `${field} has ${length} characters, AppFlow takes at most ${max}`;
  if (length < min) return `${field} has ${length} characters, AppFlow takes no fewer than ${min}`;
  if (new RegExp(`^(?:${pattern.source})$`).test(value)) return undefined;
  if (field === 'clientCredentialsArn' && /^arn:aws-[a-z-]+:/.test(value)) {
    return `${field} is in another partition than aws, and AppFlow's pattern ${pattern.source} has no place for it`;
  }
  return `${field} does not match AppFlow's pattern ${pattern.source}`;
}

/**
 * Checks fields against AppFlow's limits before any call leaves the function.
 *
 * @param connection named in the hint
 * @throws RefreshError `CONSTRAINT_VIOLATED` with everything that is wrong: field and limit, never the value
 */
export function checkLimits(
  connection: string,
  fields: Partial<Record<LimitedField, Redacted | string | undefined>>,
): void {
  const problems: string[] = [];
  for (const [field, value] of Object.entries(fields)) {
    if (value === undefined || !isLimited(field)) continue;
    const problem = violation(field, value instanceof Redacted ? value.reveal() : value);
    if (problem !== undefined) problems.push(problem);
  }
  if (problems.length === 0) return;
  throw new RefreshError(
    'CONSTRAINT_VIOLATED',
    `${enumerated(problems, '; ')}.`,
    `Change what the secret of ${connection} or Salesforce gives for ${problems.length === 1 ? 'this field' : 'these fields'}; AppFlow was not called.`,
  );
}

function isLimited(field: string): field is LimitedField {
  return Object.hasOwn(APPFLOW_LIMITS, field);
}
