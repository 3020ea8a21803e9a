import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFlowError } from '../../functions/core/flow-error.ts';
import { marker } from '../support/rules.ts';

/** As AppFlow words what an end of a flow answered. */
const from = (service: string, details: string) =>
  `The request failed because the service ${service} returned the following error: Details: ${details}`;
const SESSION = 'Session expired or invalid, ErrorCode: INVALID_SESSION_ID.';
const IAM =
  'User: arn:aws:sts::123456789012:assumed-role/flows/x is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::lake/x" because no identity-based policy allows the s3:PutObject action';

describe('a text of AppFlow that tells of a refused log-in at Salesforce', () => {
  it.each([
    from('Source Salesforce', SESSION),
    from('Source Salesforce', 'invalid_grant: expired access/refresh token, ErrorCode: ConnectorAuthentication.'),
    from(
      'Source Salesforce',
      'The request failed with status code 401 (Unauthorized).. (Service: null; Status Code: 400)',
    ),
    from('source SALESFORCE', 'authentication failure'),
    from('Source Salesforce', '[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]'),
    from('Source Salesforce', '{"error":"invalid_grant","error_description":"authentication failure"}'),
    from('Source Salesforce', 'INVALID_LOGIN: Invalid username, password, security token; or user locked out.'),
    from('Source Salesforce', "invalid_grant: user hasn't approved this consumer"),
    from('Source Salesforce', 'INVALID_SESSION_ID while the file s3://lake/redshift was written'),
  ])('is told by the end that it names: %s', (text) => {
    expect(readFlowError(text)).toEqual({ kind: 'log-in', end: 'source' });
  });

  it.each([from('Destination Salesforce', SESSION), from('Destination Salesforce.com', 'HTTP 401 Unauthorized')])(
    'may be of the destination: %s',
    (text) => {
      expect(readFlowError(text)).toEqual({ kind: 'log-in', end: 'destination' });
    },
  );

  it.each([
    'User could not be AUTHENTICATED',
    'not authorized',
    'not authorised',
    'bad auth: code',
    'an OAuth error',
    'invalid_grant',
    'INVALID_SESSION_ID',
    'Session expired or invalid',
    'expired access token',
    'expired refresh token',
    'wrong credentials',
    'HTTP 401 came back',
    '401',
    'ConnectorAuthFailure',
    'The flow failed to authenticate with Salesforce too often.',
    'Error authenticating to connector: invalid_client_id (Service: Appflow, Status Code: 401, Request ID: 1)',
    'INVALID_SESSION_ID came back for the flow to s3://lake',
    from('Salesforce', SESSION),
  ])('may name no end: %s', (text) => {
    expect(readFlowError(text)).toEqual({ kind: 'log-in', end: undefined });
  });

  it('is found behind what is said of another end', () => {
    const both = [
      `${from('Source Salesforce', SESSION)} ${from('Destination Redshift', 'connection refused')}`,
      `${from('Destination S3', 'Access Denied')}; ${from('Source Salesforce', SESSION)}`,
    ];
    for (const text of both) expect(readFlowError(text)).toEqual({ kind: 'log-in', end: 'source' });
  });
});

describe('a text of AppFlow that tells of something else', () => {
  it.each([
    from('Destination Redshift', 'password authentication failed for user "etl"'),
    from('Destination Amazon Redshift', 'FATAL: password authentication failed for user "etl"'),
    from('Destination Snowflake', 'Incorrect username or password was specified. JWT token is invalid (401)'),
    from('Destination S3', 'Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied)'),
    from('Destination EventBridge', 'not authorized to put events on this partner bus'),
    from('Destination LookoutMetrics', 'credentials are wrong'),
    from('Destination Upsolver', 'Unauthorized'),
    from('Destination CustomerProfiles', 'AccessDeniedException: not authorized'),
    from('Source Marketo', 'invalid_grant: access token expired'),
    from('Source Google Sheets', 'The request failed with status code 401 (Unauthorized)..'),
    from('Source Zendesk', '{"error":"invalid_token"} 401 Unauthorized'),
    from('Source Salesforce Pardot', 'INVALID_SESSION_ID'),
    from('Source SalesforceMarketingCloud', 'Session expired or invalid'),
    from('Source Acme CRM (custom)', 'authentication failure'),
    from('Destination Redshift', 'the Salesforce column AccessToken__c: invalid_grant'),
    from('ServiceNow', 'User Not Authenticated'),
  ])('names another end: %s', (text) => {
    expect(readFlowError(text)).toEqual({ kind: 'other' });
  });

  it.each([
    IAM,
    from('Source Salesforce', IAM.replaceAll('s3:PutObject', 'kms:Decrypt')),
    `Access to the credentials failed: ${IAM.replaceAll('s3:PutObject', 'secretsmanager:GetSecretValue')}`,
    'password authentication failed for user "etl"',
    'The S3 bucket does not exist.',
    'Access to KMS is not allowed, so the credentials cannot be read',
    'The ciphertext refers to a customer master key that does not exist; credentials unreadable.',
    'AWS Glue Data Catalog: the crawler is not authorized',
    'AADSTS50173: the grant has expired: invalid_grant https://login.microsoftonline.com/x',
    'Access Denied (Service: Amazon S3; Status Code: 401; Error Code: AccessDenied)',
    'Snowflake said: authentication token has expired',
    'The connection to amazonaws.com was not authorized: arn:aws:iam::123456789012:role/x',
  ])('is of AWS or of another service: %s', (text) => {
    expect(readFlowError(text)).toEqual({ kind: 'other' });
  });

  it.each([
    "INVALID_FIELD: No such column 'Access_Token__c' on entity 'Account'",
    'INVALID_FIELD: the field Credential__c is not authorized for this user',
    'REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded.',
    'UNABLE_TO_LOCK_ROW: unable to obtain exclusive access to this record',
    'QUERY_TIMEOUT: Your query request was running for too long.',
    'INSUFFICIENT_ACCESS_OR_READONLY: not authorized',
    'MALFORMED_QUERY: unexpected token: access token',
    'FIELD_CUSTOM_VALIDATION_EXCEPTION: OAuth is missing',
    "INVALID_FIELD: No such column 'INVALID_SESSION_ID' on entity 'Log__c'",
    'REQUIRED_FIELD_MISSING: Required fields are missing: [Credential__c]',
    'STORAGE_LIMIT_EXCEEDED: storage limit exceeded',
    'SERVER_UNAVAILABLE: Server Too Busy',
    'INVALID_QUERY_LOCATOR: invalid query locator',
    'API_DISABLED_FOR_ORG: API is not enabled for this Organization or Partner',
    'invalid_grant: login rate exceeded',
    '{"error":"rate_limit_exceeded"} for the access token',
  ])('is of the data or the limits of Salesforce: %s', (details) => {
    expect(readFlowError(details)).toEqual({ kind: 'other' });
    expect(readFlowError(from('Source Salesforce', details))).toEqual({ kind: 'other' });
    expect(readFlowError(from('Destination Salesforce', details))).toEqual({ kind: 'other' });
  });
});

describe('a text of AppFlow that nobody knows', () => {
  it.each(['', ' \n '])('may be none: %o', (text) => {
    expect(readFlowError(text)).toEqual({ kind: 'none' });
  });

  it.each([
    ['The field Name is too long.', '27 characters'],
    ['The author of the record is unknown.', '36 characters'],
    ['Record 4012 was refused.', '24 characters'],
    ['x401x', '5 characters'],
    ['The basket is tokenless.', '24 characters'],
    ['the sandbox reauths', '19 characters'],
    ['401 records were not written', '28 characters'],
    ['Failed with 401 record failures', '31 characters'],
    ['Request ID: 5f3-401-aa', '22 characters'],
    ['SOMETHING_NEW: the access token field', '37 characters; codes SOMETHING_NEW'],
    ['{"error":"odd_thing","errorCode":"OddThing"}', '44 characters; codes odd_thing, OddThing'],
    ['Status Code: 418; Error Code: Teapot', '36 characters; codes Teapot; HTTP 418'],
  ])('is told by its length and by the codes in it: %s', (text, about) => {
    expect(readFlowError(text)).toEqual({ kind: 'unknown', about });
  });

  it('is told with the end that it names', () => {
    expect(readFlowError(from('Source Salesforce', 'no luck'))).toMatchObject({
      kind: 'unknown',
      about: expect.stringMatching(/^\d+ characters; from Salesforce at the source$/),
    });
  });

  it('has nothing of it repeated but what reads as a code', () => {
    const places = ['', 'ErrorCode: ', 'error: "', 'service Source ', 'Status Code: ', '"errorCode":"', 'X_Y: '];
    fc.assert(
      fc.property(marker, fc.array(fc.constantFrom(...places), { maxLength: 6 }), (secret, before) => {
        const read = readFlowError(before.map((place) => `${place}${secret} returned`).join(' ') + secret);
        expect(JSON.stringify(read)).not.toContain(secret);
      }),
    );
  });

  it('is read at once, however long it is', () => {
    for (const piece of ['service Source ', 'A_', 'status ', 'error:', '401 ', 'not authorized to perform: ']) {
      const started = performance.now();
      readFlowError(piece.repeat(20_000));
      expect(performance.now() - started, piece).toBeLessThan(200);
    }
  });
});
