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
    'INVALID_SESSION_ID',
    'Session expired or invalid',
    'expired access/refresh token',
    'Expired accessrefresh token',
    'InvalidSessionId : Unable to find session from session id',
    'Bad_OAuth_Token',
    'ip restricted or invalid login hours',
    'The flow failed to authenticate with Salesforce too often.',
    'Salesforce: authentication failed',
    'The Salesforce access token has expired.',
    'INVALID_SESSION_ID came back for the flow to s3://lake',
    from('Salesforce', SESSION),
  ])('may name no end where only Salesforce says so: %s', (text) => {
    expect(readFlowError(text)).toEqual({ kind: 'log-in', end: undefined });
  });

  it.each([
    'User could not be AUTHENTICATED',
    'not authorized',
    'not authorised',
    'bad auth: code',
    'an OAuth error',
    'invalid_grant',
    'expired access token',
    'expired refresh token',
    'wrong credentials',
    'The credentials have expired.',
    'HTTP 401 came back',
    '401',
    'ConnectorAuthFailure',
    'The connector profile of 2024 authentication failed',
    'Error authenticating to connector: invalid_client_id (Service: Appflow, Status Code: 401, Request ID: 1)',
    'Handshake failed: 401::Authentication invalid, channel=/meta/handshake',
  ])('is marked where any other service may say it too: %s', (text) => {
    expect(readFlowError(text)).toEqual({ kind: 'log-in', end: undefined, isOfAnybody: true });
  });

  it.each([
    '{"error":"app_not_found","error_description":"External client app is not installed in this org"}',
    'invalid_assertion: JWT has expired',
    'invalid_app_access: user is not admin approved to access this app',
    '{"exceptionCode":"InvalidSessionId","exceptionMessage":"Unable to find session from session id"}',
    'ip restricted or invalid login hours',
    'LOGIN_DURING_RESTRICTED_TIME: no',
    'INACTIVE_USER: user is inactive',
    'The access token is invalid or has been revoked.',
  ])('has many words: %s', (details) => {
    expect(readFlowError(from('Source Salesforce', details))).toEqual({ kind: 'log-in', end: 'source' });
  });

  it.each(['Salesforce (Source)', 'Source Connector Salesforce', 'Source Salesforce CRM', '"Source Salesforce"'])(
    'may call it otherwise: %s',
    (service) => {
      expect(readFlowError(from(service, SESSION))).toEqual({ kind: 'log-in', end: 'source' });
    },
  );

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
    from('Source Acme, Inc.', 'invalid_grant'),
    from('Source Ünited: CRM', 'invalid_grant: expired access/refresh token'),
    from('Source Acme Connector With A Name Of Very Many Words', 'invalid_grant'),
    from('Source Salesforce Data Cloud', 'invalid_grant'),
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
    'AccessDeniedException: no permission for the credentials (Service: AWSSecretsManager; Status Code: 400)',
    'The credentials cannot be read from Secrets Manager.',
    'Insufficient Lake Formation permission(s): not authorized',
    'The query of Athena failed: not authorized',
    'AppFlow could not assume the IAM role; not authorized',
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
    '{"error":"unknown_error","error_description":"retry your request"}',
    'Error while authenticating: Read timed out',
    'Authentication error: 503 Service Unavailable',
    "No such column 'OAuth' on entity 'Account': authentication failed",
    "sObject type 'Unauthorized' is not supported.",
    'TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET: unauthorized',
    'SELF_REFERENCE_FROM_TRIGGER: session expired',
    'TRANSFER_REQUIRES_READ: authorized',
    'FLOW_ELEMENT_ERROR: unauthorized',
    'PORTAL_USER_ALREADY_EXISTS_FOR_CONTACT: authenticated user',
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
    ['Record contains wrong credentials', '33 characters'],
    ['The credentials page', '20 characters'],
    ['The field OAuthToken__c is wrong', '32 characters'],
    ['Salesforce authentication failed while writing to S3', '52 characters'],
    ['SOMETHING_NEW: unauthorized', '27 characters; codes SOMETHING_NEW'],
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

  it.each(['Credential expiry date is given twice', 'Record contains wrong credentials', 'The OAuth page was shown'])(
    "is none of a log-in because of AppFlow's own words around it: %s",
    (details) => {
      expect(readFlowError(from('Destination Salesforce', details))).toMatchObject({ kind: 'unknown' });
    },
  );

  it('is told with a connector that may be another than Salesforce', () => {
    expect(readFlowError(from('Source Acme-Salesforce', SESSION))).toMatchObject({
      kind: 'unknown',
      about: expect.stringMatching(/; from a connector that may be another than Salesforce at the source$/),
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

  // Work that grows with the square of its length would take this test beyond its time.
  it('is read however long it is, and decided as anything else', () => {
    for (const piece of [
      'service Source ',
      'service Source x ',
      'connection ',
      'A_',
      'status ',
      'error:',
      '401 ',
      'not authorized to perform: ',
    ]) {
      expect(['log-in', 'other', 'unknown'], piece).toContain(readFlowError(piece.repeat(20_000)).kind);
    }
  });
});
