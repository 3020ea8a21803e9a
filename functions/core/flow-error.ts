import { publicName } from './wording.ts';

/** What AppFlow's text about a flow that failed says. AppFlow publishes neither codes nor sentences for it. */
export type FlowError =
  /** Salesforce refused the log-in; at which end of the flow, where the text names one. */
  | { readonly kind: 'log-in'; readonly end: FlowEnd | undefined }
  /** Something that no new credential for Salesforce helps against. */
  | { readonly kind: 'other' }
  /** There is no text. */
  | { readonly kind: 'none' }
  /** `about` says of the text what may be shown: people's names and values may stand in it. */
  | { readonly kind: 'unknown'; readonly about: string };

export type FlowEnd = 'source' | 'destination';

/** Characters that are read: what failed stands at the beginning. */
const MOST_READ = 10_000;

/** `the service Destination Redshift returned the following error: …`: who said what follows. */
const NAMED =
  /\b(?:service\s{1,5}(?:(source|destination)\s{1,5})?|(source|destination)\s{1,5})([a-z][\w.&()/-]{0,40}(?: [\w.&()/-]{1,40}){0,4}?)\s{1,5}(?:has )?(?:returned|responded|reported|answered)\b/gi;

/** AWS refuses by its own policies and keys, also where it reads the credentials of a profile. */
const OF_AWS =
  /not authorized to perform:?\s{1,5}[a-z0-9-]+:[a-z*]|\bkms\b|ciphertext|customer master key|service: (?:amazon|aws)\b|\barn:aws/i;

/** Other services that are named without AppFlow's sentence around them, by name or in words of their own. */
const OF_ANOTHER =
  /\b(?:s3|redshift|snowflake|event ?bridge|lookout|upsolver|glue|data catalog|customer ?profiles|honeycode|bucket|amazonaws|lambda|marketo|zendesk|servicenow|slack|sap|google|microsoft\w*|aadsts\d*|sharepoint|dynamics|veeva|infor|datadog|dynatrace|amplitude|singular|trend ?micro|pardot|marketing ?cloud|hubspot|jira|github|stripe|mailchimp|facebook|linkedin|oracle|mysql|postgres\w*|jdbc|sqlstate)\b|password authentication failed/i;

/** Words in capitals: so Salesforce's APIs spell their codes. */
const CODE = /\b[A-Z]{2,20}(?:_[A-Z]{1,20}){1,7}\b/g;
const LOG_IN_CODES = new Set([
  'INVALID_AUTH_HEADER',
  'INVALID_LOGIN',
  'INVALID_OPERATION_WITH_EXPIRED_PASSWORD',
  'INVALID_SESSION_ID',
  'LOGIN_CHALLENGE_ISSUED',
  'LOGIN_MUST_USE_SECURITY_TOKEN',
  'PASSWORD_LOCKOUT',
  'SESSION_EXPIRED',
]);
/** The commonest of those that speak of data, of limits and of what the user may see. */
const OTHER_CODES =
  /^(?:(?:API|APEX|BATCH|CANNOT|CIRCULAR|DELETE|DUPLICATE|DUPLICATES|ENTITY|EXCEEDED|EXTERNAL|FIELD|FIELDS|FUNCTIONALITY|ID|INACTIVE|INSUFFICIENT|JSON|LIMIT|MALFORMED|MAX|MAXIMUM|MISSING|NUMBER|OPERATION|QUERY|READ|REQUEST|REQUIRED|SERVER|STORAGE|STRING|TOO|TXN|UNABLE|UNSUPPORTED)_[A-Z_]+|INVALID_(?:ACCESS_LEVEL|ARGUMENT_TYPE|ASSIGNEE_TYPE|BATCH\w*|CROSS_REFERENCE_KEY|CURRENCY_ISO|CURSOR|EMAIL_ADDRESS|FIELD\w*|FILTER\w*|GOOGLE_DOCS_URL|ID_FIELD|JOB\w*|LOCATOR|NEW_VALUE|NUMBER|OPERATION|OPERATOR|OR_NULL_FOR_RESTRICTED_PICKLIST|QUERY\w*|REPLICATION_DATE|SEARCH\w*|SOAP_HEADER|STATUS|TYPE\w*|URL)|DEPENDENCY_EXISTS|NOT_FOUND|UNKNOWN_EXCEPTION)$/;

/** Limits of log-ins, and troubles of Salesforce's own: asking for another token would add to them. */
const PASSING =
  /login rate exceeded|rate[_ ]limit[_ ]exceeded|too many requests|temporarily[_ ]unavailable|server_error|already being processed/i;

/** What only Salesforce says of a session or a token. */
const OF_SALESFORCE =
  /session expired or invalid|invalid session id|session is not valid|expired access\/refresh token|approved this consumer/i;
/** What anybody says who refuses a log-in. */
const LOG_IN =
  /authenticat\w+\s{1,5}(?:failure|failed|error)|fail\w*\s{1,5}to\s{1,5}authenticat|not\s{1,5}(?:be\s{1,5})?authenticat|error\s{1,5}authenticating|\binvalid_(?:grant|client|client_id|token)\b|\binactive_(?:user|org)\b|expired\s{1,5}(?:access|refresh)\s{1,5}token|session\s{1,5}(?:has\s{1,5})?expired|\bunauthori[sz]ed\b|connectorauth/i;
/** As an HTTP status, and not as a number of records. */
const STATUS_401 =
  /(?:^|\(|\b(?:http|status|code|error|returned|response|received|got|with)\b[^\w]{0,3}(?:code[^\w]{0,3})?)401\b(?!\s{1,5}(?:records?|rows?|columns?|fields?|bytes|files?|objects?|items?|errors|failures|of|out|times?)\b)/i;
/** What speaks of credentials in some way: enough where nothing else is said. */
const CREDENTIALS =
  /authenticat|authoriz|authoris|\bauth\b|oauth|invalid_session|access token|refresh token|credential/i;

/**
 * Whose end of a flow failed, and whether it was its log-in. A token is spent, and a flow started again, for what says that Salesforce refused the
 * log-in: not for another end that did, for AWS's own policies, or for Salesforce's data.
 */
export function readFlowError(given: string): FlowError {
  const text = given.slice(0, MOST_READ).trim();
  if (text === '') return { kind: 'none' };
  const said = [...text.matchAll(NAMED)].map((match, n, all) => ({
    end: endOf(match[1] ?? match[2]),
    isSalesforce: /^salesforce(?:\.com)?$/i.test(match[3] ?? ''),
    details: text.slice(match.index + match[0].length, all[n + 1]?.index),
  }));
  if (said.length === 0) return unnamed(text) ?? { kind: 'unknown', about: about(text, given.length) };
  const ours = said.filter(({ isSalesforce }) => isSalesforce);
  for (const { end, details } of ours) if (refusal(details) === 'log-in') return { kind: 'log-in', end };
  for (const { end, details } of ours) {
    const at = end === undefined ? '' : ` at the ${end}`;
    if (refusal(details) === undefined)
      return { kind: 'unknown', about: `${about(details, given.length)}; from Salesforce${at}` };
  }
  return { kind: 'other' };
}

/** A text that says of nobody that he returned it. */
function unnamed(text: string): FlowError | undefined {
  const isOfAnother = OF_AWS.test(text) || OF_ANOTHER.test(text);
  if (isOfAnother && firstKnownCode(text) !== 'log-in' && !OF_SALESFORCE.test(text)) return { kind: 'other' };
  const kind = refusal(text);
  return kind === 'log-in' ? { kind, end: undefined } : kind === undefined ? undefined : { kind };
}

/** What Salesforce, or nobody by name, said. The first code decides: those behind it may be names of fields. */
function refusal(details: string): 'log-in' | 'other' | undefined {
  if (PASSING.test(details)) return 'other';
  const code = firstKnownCode(details);
  if (code !== undefined) return code;
  if (OF_SALESFORCE.test(details)) return 'log-in';
  if (OF_AWS.test(details)) return 'other';
  if (LOG_IN.test(details) || STATUS_401.test(details)) return 'log-in';
  const isOfUnknownCode = codesIn(details).length > 0;
  return !isOfUnknownCode && CREDENTIALS.test(details) ? 'log-in' : undefined;
}

function firstKnownCode(text: string): 'log-in' | 'other' | undefined {
  for (const [code] of text.matchAll(CODE)) {
    if (LOG_IN_CODES.has(code)) return 'log-in';
    if (OTHER_CODES.test(code)) return 'other';
  }
  return undefined;
}

function endOf(word: string | undefined): FlowEnd | undefined {
  switch (word?.toLowerCase()) {
    case 'source':
      return 'source';
    case 'destination':
      return 'destination';
    default:
      return undefined;
  }
}

/** How long a text is, and what stands in it where a code or an HTTP status stands and reads as one. */
function about(text: string, length: number): string {
  const codes = codesIn(text);
  const status = /\bstatus(?: code)?["']?[:=]? ?([1-5]\d\d)\b/i.exec(text)?.[1];
  return [
    `${length.toLocaleString('en-US')} characters`,
    ...(codes.length === 0 ? [] : [`codes ${codes.slice(0, 3).join(', ')}`]),
    ...(status === undefined ? [] : [`HTTP ${status}`]),
  ].join('; ');
}

function codesIn(text: string): readonly string[] {
  const places = text.matchAll(
    /\b([A-Z]{2,20}(?:_[A-Z]{1,20}){1,7}):|\berror["']?\s{0,2}[:=]\s{0,2}["']?([a-z]{2,20}(?:_[a-z]{2,20}){1,7})\b|\b[Ee]rror ?[Cc]ode["']?\s{0,2}[:=]\s{0,2}["']?(\w{1,64})\b/g,
  );
  const codes = [...places].map(([, capitals, small, given]) => publicName(capitals ?? small ?? given));
  return [...new Set(codes)].filter((code) => code !== publicName(undefined));
}
