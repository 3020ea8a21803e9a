/**
 * What Salesforce refuses with, and the one thing to do about each. The rows come from Salesforce's help (OAuth 2.0 authorization errors; revoke
 * OAuth tokens), from the list of its token endpoint's errors in its Mobile SDK, from its API's status codes, and from public reports.
 */

/** What a refusal of the token endpoint means for the run that got it. */
export type RefusalKind =
  /** A person must act; sending the same again is useless. */
  | 'terminal'
  /** The assertion's `exp` or the clock is off: sign anew, once. */
  | 'assertion-expired'
  /** Another request with the same token is under way: wait, then ask again. */
  | 'being-processed'
  /** Not now. */
  | 'later';

export interface Cure {
  /**
   * What the person on call should do about it, as imperative sentences. `{connection}` and `{secret}` stand for its name and its secret's,
   * `{loginUrl}` for the keys of the secret that say where to log in.
   */
  readonly advice: string;
  /** Terminal unless given. */
  readonly kind?: 'being-processed' | 'later';
  /** Whether a new authorisation by a person is what it takes. */
  readonly wantsAuthorization?: true;
  /** Whether it stands for many causes: then words that ask to try again are believed. */
  readonly isVague?: true;
}

const WAIT = 'Nothing to do for {connection} unless it goes on: see status.salesforce.com.';
const ON_BUSY = 'Wait: Salesforce limits how often {connection} may ask. Lengthen its interval if it goes on.';
const CODE_SPENT = 'Authorise the app again and store the new code in {secret}; a code works once, for minutes.';
const PRE_AUTHORISE =
  "Pre-authorise the integration user of {connection} for the app: in its policies, 'Admin approved users are pre-authorized', and a permission set or profile of the user. Then run refresh for {connection}.";
const MY_DOMAIN = "Set {loginUrl} in {secret} to the org's My Domain, https://DOMAIN.my.salesforce.com";
const OWN_ORG = `${MY_DOMAIN}: an External Client App is known there alone. If that is what it is, install or enable the app in that org, or correct clientId.`;
const NO_ENDPOINT = `${MY_DOMAIN}: the host that was asked gives out no tokens, or the org of {connection} has moved from it.`;
const AUDIENCE =
  'Correct audience in {secret} to the login host of this org: https://login.salesforce.com, https://test.salesforce.com or its My Domain, which External Client Apps ask for.';
const CLIENT_ID =
  'Check clientId in {secret} against the consumer key of the app, and that loginUrl is where that app is known; a new app needs some minutes.';
const CLIENT_SECRET = 'Check the client secret for {connection} against the consumer secret of the app.';
const REDIRECT = 'Use a redirectUri for {connection} that the app lists, character for character, and authorise again.';
const ACTIVATE = 'Activate or unfreeze the integration user of {connection} in Salesforce, or choose another one.';
const ORG_GONE = 'Ask the administrator of the org of {connection}: it is locked, suspended or gone.';
const UNBLOCK =
  "Ask an administrator of the org to unblock the app of {connection}: in Setup, 'Connected Apps OAuth Usage', and install it there.";
const INSTALL =
  "Ask an administrator of the org to install the app of {connection} (in Setup, 'Connected Apps OAuth Usage'), and to let its user use it.";
const SCOPES = 'Give the app of {connection} the scopes api and refresh_token (offline_access), and ask for no others.';
const ENABLE_FLOW =
  'Enable the OAuth flow of {connection} in the settings of the app, and in the OAuth settings of the org.';
const POLICY =
  'Ask an administrator to open the policies of the External Client App of {connection}, complete its OAuth policy and save it.';
const ADDRESSES =
  "Relax the IP restrictions of the app of {connection} or the login hours of its user's profile, or let the function leave through a listed address.";
const BY_COMMAND_LINE =
  'Authorise the app of {connection} with the command line, which sends the code verifier (PKCE) that the app asks for.';
const NOT_OURS =
  'Ask an administrator which policy of the app of {connection} asks for it: nothing of the kind is sent here. Then turn it off.';

/** By the published descriptions. Matched in any case, anywhere in the text; the first match counts, so the longer text comes first. */
export const CURES_BY_DESCRIPTION: readonly (Cure & { readonly text: string })[] = [
  {
    text: 'expired access/refresh token',
    wantsAuthorization: true,
    advice:
      'Authorise the app again and store the new refresh token in {secret}. Find out why it died: it was revoked, or unused beyond the idle limit of the app, or the same user approved the app a sixth time, which revokes the oldest of five approvals.',
  },
  {
    text: 'token validity expired',
    wantsAuthorization: true,
    advice:
      "Authorise the app again and store the new refresh token in {secret}. Set the app's refresh token policy so that a token is valid until it is revoked.",
  },
  { text: 'expired authorization code', wantsAuthorization: true, advice: CODE_SPENT },
  { text: 'invalid authorization code', wantsAuthorization: true, advice: CODE_SPENT },
  { text: 'invalid code verifier', wantsAuthorization: true, advice: BY_COMMAND_LINE },
  { text: 'code verifier', wantsAuthorization: true, advice: BY_COMMAND_LINE },
  { text: 'code challenge', wantsAuthorization: true, advice: BY_COMMAND_LINE },
  {
    text: 'token request is already being processed',
    kind: 'being-processed',
    advice: 'Nothing to do: another request with the token of {connection} was under way.',
  },
  { text: "user hasn't approved this consumer", advice: PRE_AUTHORISE },
  { text: 'user is not admin approved to access this app', advice: PRE_AUTHORISE },
  {
    text: 'refresh_token scope is required',
    advice:
      "Give the app of {connection} the scope refresh_token (offline_access) and pre-authorise its user: in the app's policies, 'Admin approved users are pre-authorized', and a permission set or profile of the user.",
  },
  { text: 'audience validation failed', advice: AUDIENCE },
  { text: 'audience is invalid', advice: AUDIENCE },
  { text: 'invalid audience', advice: AUDIENCE },
  {
    text: 'invalid assertion',
    advice:
      'Check that the certificate of the key in {secret} is the one uploaded to the app, and clientId and username in {secret}.',
  },
  { text: 'ip restricted or invalid login hours', advice: ADDRESSES },
  { text: 'invalid login hours', advice: ADDRESSES },
  { text: 'ip restricted', advice: ADDRESSES },
  { text: 'ip address not allowed', advice: ADDRESSES },
  { text: 'request not supported on this domain', advice: `${MY_DOMAIN}: this grant works nowhere else.` },
  {
    text: 'no client credentials user enabled',
    advice: 'Enable the client credentials flow in the app of {connection} and choose the user that it runs as.',
  },
  { text: 'inactive user', advice: ACTIVATE },
  { text: 'user is inactive', advice: ACTIVATE },
  { text: 'user is frozen', advice: ACTIVATE },
  { text: 'inactive organization', advice: ORG_GONE },
  { text: 'organization is locked', advice: ORG_GONE },
  { text: 'client identifier invalid', advice: CLIENT_ID },
  { text: 'invalid client credentials', advice: CLIENT_SECRET },
  { text: 'client secret invalid', advice: CLIENT_SECRET },
  { text: 'redirect_uri must match configuration', advice: REDIRECT },
  { text: 'external client app is not installed', advice: OWN_ORG },
  {
    text: 'cross-org oauth flows are not supported',
    advice: `${MY_DOMAIN}: a local External Client App serves the org alone in which it was made. If that is what it is, log out of other orgs in the browser, or make the app in that org.`,
  },
  { text: 'app must be installed into org', advice: INSTALL },
  { text: 'package for this consumer is not installed', advice: INSTALL },
  {
    text: 'installed package for this consumer is out of date',
    advice: 'Ask an administrator of the org to upgrade the package that holds the app of {connection}.',
  },
  { text: 'this app is blocked by admin', advice: UNBLOCK },
  { text: 'consumer deleted', advice: CLIENT_ID },
  {
    text: 'oauth api access disabled',
    advice:
      "Give the integration user of {connection} the permission 'API Enabled', in its profile or a permission set.",
  },
  {
    text: 'activation secret invalid',
    advice:
      'Ask an administrator to revoke the approvals of the user of {connection} for the app; then authorise it again.',
  },
  {
    text: 'grant type not supported',
    advice: ENABLE_FLOW,
  },
  { text: 'login rate exceeded', kind: 'later', advice: ON_BUSY },
  {
    text: 'authentication failure',
    isVague: true,
    advice:
      "Look into the login history of the user of {connection} in Salesforce, which names the reason; check clientId and the user's name in {secret}.",
  },
];

/** By `error`: in small letters, words joined by `_`. Salesforce writes them so, in capitals or with hyphens. */
export const CURES_BY_ERROR: Readonly<Record<string, Cure>> = {
  // RFC 6749 sections 4.1.2.1 and 5.2, RFC 7009 section 2.2.1, and what Salesforce adds for its token endpoint.
  invalid_grant: {
    isVague: true,
    advice: 'Look into the login history of the user in Salesforce, which names the reason, and correct {secret}.',
  },
  invalid_request: {
    isVague: true,
    advice: 'Compare the keys of {secret} with the settings of the app in Salesforce.',
  },
  invalid_client: { advice: 'Check clientId and the client secret for {connection} against the app in Salesforce.' },
  invalid_client_id: { advice: CLIENT_ID },
  invalid_client_credentials: { advice: CLIENT_SECRET },
  invalid_basic_auth_header: { advice: CLIENT_SECRET },
  invalid_scope: { advice: SCOPES },
  invalid_assertion_type: { advice: ENABLE_FLOW },
  unauthorized_client: { advice: 'Allow the grant of {connection} in the settings of the app.' },
  unsupported_grant_type: { advice: ENABLE_FLOW },
  unsupported_response_type: { advice: ENABLE_FLOW },
  oauth_flow_disabled: { advice: ENABLE_FLOW },
  inactive_user: { advice: ACTIVATE },
  inactive_org: { advice: ORG_GONE },
  invalid_app_access: { advice: PRE_AUTHORISE },
  // Salesforce's own spelling in one of its lists.
  invalid_app_acess: { advice: PRE_AUTHORISE },
  no_access: { advice: PRE_AUTHORISE },
  redirect_uri_mismatch: { advice: REDIRECT },
  redirect_uri_missing: { advice: REDIRECT },
  bad_jti_claim: {
    advice:
      'Look for another program that signs for the app of {connection} and sends the same jti twice: none is sent here.',
  },
  invalid_session_level: {
    advice:
      'Let the app of {connection} work with a standard session: in its policies, take away the high assurance session.',
  },
  invalid_dpop_proof: { advice: NOT_OURS },
  use_dpop_nonce: { advice: NOT_OURS },
  app_attest_failed: { advice: NOT_OURS },
  invalid_otp: { advice: NOT_OURS },
  otp_error: { advice: NOT_OURS },
  invalid_expid: { advice: `${MY_DOMAIN}, not to an Experience Cloud site.` },
  unsupported_expid: { advice: `${MY_DOMAIN}, not to an Experience Cloud site.` },
  login_error: {
    isVague: true,
    advice: 'Look into the login history of the user of {connection} in Salesforce, which names the reason.',
  },
  // Installation and policies of connected apps and External Client Apps.
  app_not_found: { advice: OWN_ORG },
  app_blocked: { advice: UNBLOCK },
  fail_close_app_blocked: { advice: UNBLOCK },
  installation_error: { advice: INSTALL },
  registration_error: { advice: INSTALL },
  failed_registration: { advice: INSTALL },
  exceeded_registration_limit: {
    advice: 'Ask an administrator to delete apps that the org of {connection} does not need: it may register no more.',
  },
  ecapp_policy_not_found: { advice: POLICY },
  oauth_policy_not_found: { advice: POLICY },
  invalid_distribution_state: {
    advice: `Package the External Client App of {connection} for other orgs, or use it in its own. ${MY_DOMAIN} of that org.`,
  },
  // The authorize endpoint; they come back with the browser.
  access_denied: {
    advice:
      'Log in as the integration user of {connection}, who must be active and allowed to use the app from there, and approve it.',
  },
  immediate_unsuccessful: {
    advice: 'Log in as the integration user of {connection} and approve the app: nobody was logged in who had.',
  },
  login_required: { advice: 'Log in as the integration user of {connection} and approve the app.' },
  consent_required: { advice: 'Log in as the integration user of {connection} and approve the app.' },
  interaction_required: { advice: 'Log in as the integration user of {connection} and approve the app.' },
  authorization_pending: { advice: 'Log in as the integration user of {connection} and approve the app.' },
  oauth_ec_app_not_found: { advice: OWN_ORG },
  oauth_app_blocked: { advice: UNBLOCK },
  oauth_app_access_denied: {
    advice:
      'Ask an administrator to let the integration user of {connection} use the app: a permission set or profile in its policies, and its IP restrictions.',
  },
  oauth_approval_error_generic: {
    advice:
      "Ask an administrator to install the app of {connection} ('Connected Apps OAuth Usage'), to let its user use it, and to give it the scopes api and refresh_token. A user with an API-only licence cannot approve an app in a browser.",
  },
  oauth_authorization_blocked: {
    advice: `${MY_DOMAIN}: a local External Client App serves the org alone in which it was made. If that is what it is, pre-authorise the user for the app.`,
  },
  // The revoke and userinfo endpoints.
  invalid_token: { advice: 'Check in Salesforce whether the token of {connection} was revoked or has run out.' },
  unsupported_token_type: {
    advice:
      "Revoke the token of {connection} in Setup, 'Connected Apps OAuth Usage': the endpoint takes no such token.",
  },
  invalid_session_id: {
    advice:
      "Check that the app of {connection} has the scope api, that its user has the permission 'API Enabled', and that the session was not ended.",
  },
  not_found: { advice: NO_ENDPOINT },
  url_not_reset: { advice: NO_ENDPOINT },
  method_not_allowed: { advice: NO_ENDPOINT },
  api_disabled_for_org: { advice: 'Use an org with an edition that has the API: that of {connection} has none.' },
  // Not now: of OAuth, of Salesforce's token endpoint, and of its API.
  rate_limit_exceeded: { kind: 'later', advice: ON_BUSY },
  slow_down: { kind: 'later', advice: ON_BUSY },
  too_many_requests: { kind: 'later', advice: ON_BUSY },
  request_limit_exceeded: { kind: 'later', advice: ON_BUSY },
  concurrent_requests_limit_exceeded: { kind: 'later', advice: ON_BUSY },
  exceeded_max_semaphore_requests: { kind: 'later', advice: ON_BUSY },
  server_error: { kind: 'later', advice: WAIT },
  temporarily_unavailable: { kind: 'later', advice: WAIT },
  service_unavailable: { kind: 'later', advice: WAIT },
  server_unavailable: { kind: 'later', advice: WAIT },
  system_down: { kind: 'later', advice: WAIT },
  org_unavailable: { kind: 'later', advice: WAIT },
  unknown_error: {
    kind: 'later',
    advice: `Nothing to do unless it goes on. If it does: ${MY_DOMAIN.replace('Set', 'set')}, since other hosts answer so for an app of another org; else see status.salesforce.com.`,
  },
  unknown_exception: { kind: 'later', advice: WAIT },
  unable_to_lock_row: { kind: 'later', advice: WAIT },
  request_running_too_long: { kind: 'later', advice: WAIT },
  query_timeout: { kind: 'later', advice: WAIT },
  api_currently_disabled: { kind: 'later', advice: WAIT },
  app_attest_failed_retry: { kind: 'later', advice: WAIT },
};

/** Where the answer asks to try again. */
export const AGAIN: Cure = { kind: 'later', advice: WAIT };

/** Where the refusal is in neither list. */
export const UNKNOWN: Cure = {
  advice:
    "This refusal is not in our list and is taken for final. Look into the user's login history in Salesforce (Setup, Login History), which names the reason, and into Salesforce's help on OAuth errors; then compare {secret} with the app's settings.",
};
