import { publicName } from './wording.ts';

/** What AppFlow's text about a flow that failed says. AppFlow publishes neither codes nor sentences for it. */
export type FlowError =
  /**
   * Salesforce refused the log-in; at which end of the flow, where the text names one. With `isOfAnybody` the text names nobody and has words that
   * any service may use: then it is Salesforce's only where no other end of the flow logs in.
   */
  | { readonly kind: 'log-in'; readonly end: FlowEnd | undefined; readonly isOfAnybody?: true }
  /** Something that no new credential for Salesforce helps against. */
  | { readonly kind: 'other' }
  /** There is no text. */
  | { readonly kind: 'none' }
  /** `about` says of the text what may be shown: people's names and values may stand in it. */
  | { readonly kind: 'unknown'; readonly about: string };

export type FlowEnd = 'source' | 'destination';

/** Characters that are read: what failed stands at the beginning. */
const MOST_READ = 10_000;

/**
 * `the service Destination Redshift returned the following error: …`: who said what follows. Behind `service Source` and `service Destination` a
 * name may be anything, since a custom connector chooses its own.
 */
const NAMED =
  /\b(?:service\s{1,5}["']?(source|destination)\s{1,5}(.{1,200}?)|(?:service|(source|destination))\s{1,5}([a-z][\w.&()/-]{0,40}(?: [\w.&()/-]{1,40}){0,4}?))\s{1,5}(?:has )?(?:returned|responded|reported|answered)\b/gi;

/** What stands between that and the answer itself. */
const HEADING = /^\s{0,5}(?:the following |an )?errors?\b[:.]?\s{0,5}(?:details\b:?)?/i;

/** How the connector may be called that a connection serves. */
const OURS = /^(?:connector )?salesforce(?:\.com| crm| connector)?(?: \((source|destination)\))?$/i;
/** What else Salesforce sells, with log-ins of its own. */
const OTHER_PRODUCT = /pardot|marketing|engagement|data ?cloud|commerce|tableau|mulesoft|slack/i;

/** AWS refuses by its own policies and keys, also where it reads the credentials of a profile. */
const OF_AWS =
  /not authorized to perform:?\s{1,5}[a-z0-9-]+:[a-z*]|\bkms\b|ciphertext|customer master key|service: (?:amazon|aws)|\barn:aws|\baccessdenied|secrets ?manager|lake ?formation|\bathena\b|assume (?:the |an )?(?:iam )?role/i;

/** Other services that are named without AppFlow's sentence around them, by name or in words of their own. */
const OF_ANOTHER =
  /\b(?:s3|redshift|snowflake|event ?bridge|lookout|upsolver|glue|data catalog|customer ?profiles|honeycode|bucket|amazonaws|lambda|marketo|zendesk|servicenow|slack|sap|google|microsoft\w*|aadsts\d*|sharepoint|dynamics|veeva|infor|datadog|dynatrace|amplitude|singular|trend ?micro|pardot|marketing ?cloud|hubspot|jira|github|stripe|mailchimp|facebook|linkedin|oracle|mysql|postgres\w*|jdbc|sqlstate)\b|password authentication failed/i;

/** Words in capitals: so Salesforce's APIs spell their codes. */
const CODE = /\b[A-Z]{2,20}(?:_[A-Z]{1,20}){1,7}\b/g;
const LOG_IN_CODES = new Set([
  'BAD_OAUTH_TOKEN',
  'INACTIVE_ORG',
  'INACTIVE_USER',
  'INVALID_AUTH_HEADER',
  'INVALID_LOGIN',
  'INVALID_OPERATION_WITH_EXPIRED_PASSWORD',
  'INVALID_SESSION_ID',
  'LOGIN_CHALLENGE_ISSUED',
  'LOGIN_DURING_RESTRICTED_DOMAIN',
  'LOGIN_DURING_RESTRICTED_TIME',
  'LOGIN_MUST_USE_SECURITY_TOKEN',
  'MISSING_OAUTH_TOKEN',
  'PASSWORD_LOCKOUT',
  'SESSION_EXPIRED',
]);
/** The commonest of those that speak of data, of limits and of what the user may see. */
const OTHER_CODES =
  /^(?:(?:ALL|ALREADY|API|APEX|ASSIGNEE|ATTACHMENT|BATCH|CANNOT|CANT|CIRCULAR|COLLECTION|CONVERSION|CUSTOM|DATA|DATACLOUD|DEFAULT|DELETE|DEPENDENCY|DUPLICATE|DUPLICATES|EMAIL|EMPTY|ENTITY|EXCEEDED|EXTERNAL|FEATURE|FIELD|FIELDS|FILE|FLOW|FUNCTIONALITY|ID|IMMUTABLE|INACTIVE|INSUFFICIENT|JSON|LICENSE|LIMIT|MALFORMED|MANAGER|MAX|MAXIMUM|MERGE|METHOD|MISSING|MIXED|NO|NUM|NUMBER|OPERATION|PLATFORM|PORTAL|PRIVATE|PROCESSING|QUERY|QUICK|READ|RECORD|REQUEST|REQUIRED|SELF|SERVER|SHARE|STANDARD|STORAGE|STRING|TEMPLATE|TERRITORY|TEXT|TOO|TRANSACTION|TRANSFER|TXN|UNABLE|UNSPECIFIED|UNSUPPORTED|UPDATE|VALUE|WORKFLOW)_[A-Z_]+|INVALID_(?:ACCESS_LEVEL|ARGUMENT_TYPE|ASSIGNEE_TYPE|BATCH\w*|CROSS_REFERENCE_KEY|CURRENCY_ISO|CURSOR|EMAIL_ADDRESS|FIELD\w*|FILTER\w*|GOOGLE_DOCS_URL|ID_FIELD|JOB\w*|LOCATOR|NEW_VALUE|NUMBER|OPERATION|OPERATOR|OR_NULL_FOR_RESTRICTED_PICKLIST|QUERY\w*|REPLICATION_DATE|SEARCH\w*|SOAP_HEADER|STATUS|TYPE\w*|URL)|NOT_FOUND|UNKNOWN_EXCEPTION)$/;

/** Limits of log-ins, and troubles of Salesforce's own: asking for another token would add to them. */
const PASSING =
  /login rate exceeded|rate[_ ]limit[_ ]exceeded|too many requests|temporarily[_ ]unavailable|server_error|unknown_error|retry your request|already being processed/i;
/** Trouble on the way to whoever was asked, also where the question was a log-in. A status at the end may be AppFlow's own. */
const ON_THE_WAY =
  /\b(?:read|connect|connection|request|socket|gateway|handshake) (?:has )?timed? ?out|connection (?:was )?(?:reset|refused|closed)|service unavailable|bad gateway|unknownhost|\bunknown host\b|status code:? 5\d\d\b/i;
/** Sentences of Salesforce about its data, which may come without their code. */
const OF_DATA =
  /no such column|sobject type '|unexpected token|data value too large|required fields? (?:is|are) missing|\bapex (?:class|trigger)/i;

/** What only Salesforce says of a session or a token. AppFlow's pattern for its messages has no slash. */
const OF_SALESFORCE =
  /session expired or invalid|invalid ?session ?id|session from session id|session is not valid|expired access\W?refresh token|approved this consumer|ip restricted|login hours|(?:bad|missing)_oauth_token/i;
/** The errors of OAuth that refuse a log-in. */
const OF_OAUTH =
  /\binvalid_(?:grant|client|client_id|token|assertion|app_access)\b|\binactive_(?:user|org)\b|\bapp_not_found\b/i;
/** What anybody says who refuses a log-in. */
const LOG_IN =
  /authenticat\w+\s{1,5}(?:failure|failed|error)|fail\w*\s{1,5}to\s{1,5}authenticat|not\s{1,5}(?:be\s{1,5})?authenticat|error\s{1,5}authenticating|expired\s{1,5}(?:access|refresh)\s{1,5}token|session\s{1,5}(?:has\s{1,5})?expired|\bunauthori[sz]ed\b|connectorauth/i;
/** As an HTTP status, and not as a number of records. */
const STATUS_401 =
  /(?:^|\(|\b(?:http|status|code|error|returned|response|received|got|with)\b[^\w]{0,3}(?:code[^\w]{0,3})?)401\b(?!\s{1,5}(?:records?|rows?|columns?|fields?|bytes|files?|objects?|items?|errors|failures|of|out|times?)\b)/i;
/** What speaks of credentials in some way: enough where it is refused, and nothing else is said. */
const CREDENTIALS =
  /\b(?:authenticat(?:e|ed|es|ing|ion)|authori[sz](?:e|ed|es|ing|ation)|o?auth|invalid_session|(?:access|refresh) tokens?|credentials?)\b/i;
const REFUSED =
  /\b(?:invalid|expired|revoked|fail(?:s|ed|ure)?|denied|wrong|refused|rejected|errors?|missing|bad|could not|cannot|not authori[sz]ed|check)\b/i;
/** What speaks of data, in which any word may stand. */
const DATA = /\b(?:records?|fields?|columns?|rows?|picklist|rule|values?|save)\b/i;

/**
 * Whose end of a flow failed, and whether it was its log-in. A token is spent, and a flow started again, for what says that Salesforce refused the
 * log-in: not for another end that did, for AWS's own policies, or for Salesforce's data.
 */
export function readFlowError(given: string): FlowError {
  const text = given.slice(0, MOST_READ).trim();
  if (text === '') return { kind: 'none' };
  const said = [...text.matchAll(NAMED)].map((match, n, all) => ({
    ...named(match),
    details: text.slice(match.index + match[0].length, all[n + 1]?.index).replace(HEADING, ''),
  }));
  if (said.length === 0) return unnamed(text) ?? { kind: 'unknown', about: about(text, given.length) };
  for (const { by, end, details } of said)
    if (by === 'Salesforce' && refusal(details) === 'log-in') return { kind: 'log-in', end };
  for (const { by, end, details } of said) {
    const known = refusal(details);
    if (by === 'another' || known === 'other' || (by === 'Salesforce' && known !== undefined)) continue;
    const from = by === 'Salesforce' ? 'Salesforce' : 'a connector that may be another than Salesforce';
    const at = end === undefined ? '' : ` at the ${end}`;
    return { kind: 'unknown', about: `${about(details, given.length)}; from ${from}${at}` };
  }
  return { kind: 'other' };
}

/** Who is said to have answered, and at which end of the flow. */
function named([, end, name, otherEnd, otherName]: RegExpMatchArray) {
  const called = (name ?? otherName ?? '').replaceAll(/["']/g, '').trim();
  const ours = OURS.exec(called);
  const by =
    ours !== null
      ? ('Salesforce' as const)
      : /salesforce/i.test(called) && !OTHER_PRODUCT.test(called)
        ? ('somebody like it' as const)
        : ('another' as const);
  return { by, end: endOf(end ?? otherEnd ?? ours?.[1]) };
}

/** A text that says of nobody that he returned it. */
function unnamed(text: string): FlowError | undefined {
  const kind = refusal(text);
  if (firstKnownCode(text) === 'log-in' || OF_SALESFORCE.test(text))
    return kind === undefined ? kind : kind === 'log-in' ? { kind, end: undefined } : { kind };
  const namesSalesforce = /\bsalesforce\b/i.test(text);
  if (OF_AWS.test(text)) return { kind: 'other' };
  // Where both are named, nobody knows who said what.
  if (OF_ANOTHER.test(text)) return namesSalesforce && kind === 'log-in' ? undefined : { kind: 'other' };
  if (kind !== 'log-in') return kind === undefined ? kind : { kind };
  return namesSalesforce ? { kind, end: undefined } : { kind, end: undefined, isOfAnybody: true };
}

/** What Salesforce, or nobody by name, said. The first code decides: those behind it may be names of fields. */
function refusal(details: string): 'log-in' | 'other' | undefined {
  if (PASSING.test(details)) return 'other';
  const code = firstKnownCode(details);
  if (code !== undefined) return code;
  if (OF_SALESFORCE.test(details)) return 'log-in';
  if (OF_AWS.test(details)) return 'other';
  if (OF_OAUTH.test(details)) return 'log-in';
  if (OF_DATA.test(details) || ON_THE_WAY.test(details)) return 'other';
  const codes = codesIn(details);
  // A code of Salesforce's APIs that is not known says more than the words behind it.
  if (codes.some((one) => /^[A-Z]+_[A-Z_]+$/.test(one))) return undefined;
  if (LOG_IN.test(details) || STATUS_401.test(details)) return 'log-in';
  const isRefused = CREDENTIALS.test(details) && REFUSED.test(details) && !DATA.test(details);
  return codes.length === 0 && isRefused ? 'log-in' : undefined;
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
