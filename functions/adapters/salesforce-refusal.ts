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

export interface Refusal {
  readonly kind: RefusalKind;
  /** `error`, and the description where it is one of the published ones; never text of the response that we do not know. */
  readonly message: string;
  /** What the person on call should do about it, as an imperative sentence. */
  readonly advice: string;
  /** Whether a new authorisation by a person is what it takes. */
  readonly wantsAuthorization: boolean;
}

/** The published descriptions, each with what to do. Matched in any case, anywhere in the text. */
const DESCRIPTIONS: readonly {
  readonly text: string;
  readonly advice: string;
  readonly kind?: RefusalKind;
  readonly wantsAuthorization?: true;
}[] = [
  {
    text: 'expired access/refresh token',
    wantsAuthorization: true,
    advice: 'Authorise the app again and store the new refresh token in {secret}.',
  },
  {
    text: 'expired authorization code',
    wantsAuthorization: true,
    advice: 'Authorise the app again and store the new code in {secret}; a code works once, for minutes.',
  },
  {
    text: 'invalid authorization code',
    wantsAuthorization: true,
    advice: 'Authorise the app again and store the new code in {secret}; a code works once, for minutes.',
  },
  {
    text: 'token request is already being processed',
    kind: 'being-processed',
    advice: 'Nothing to do: another request with this token was under way.',
  },
  {
    text: "user hasn't approved this consumer",
    advice:
      "Pre-authorise the integration user for the connected app (a permission set, or 'Admin approved users'), then run refresh for {connection}.",
  },
  {
    text: 'audience is invalid',
    advice:
      'Set audience in {secret} to the login host of this org: https://login.salesforce.com, https://test.salesforce.com or its My Domain.',
  },
  {
    text: 'invalid assertion',
    advice:
      'Check that the certificate of privateKey is the one uploaded to the connected app, and clientId and username in {secret}.',
  },
  {
    text: 'ip restricted or invalid login hours',
    advice:
      "Relax the app's IP restrictions or the login hours of the user's profile, or let the function leave through a listed address.",
  },
  {
    text: 'ip restricted',
    advice: "Relax the app's IP restrictions, or let the function leave through a listed address.",
  },
  {
    text: 'request not supported on this domain',
    advice:
      "Set loginUrl in {secret} to the org's My Domain, https://DOMAIN.my.salesforce.com: this grant works nowhere else.",
  },
  {
    text: 'no client credentials user enabled',
    advice: 'Enable the client credentials flow in the connected app and choose the user it runs as.',
  },
  { text: 'inactive user', advice: 'Activate the integration user in Salesforce, or choose another one.' },
  { text: 'inactive organization', advice: 'The org is locked, suspended or gone: ask its administrator.' },
  {
    text: 'client identifier invalid',
    advice:
      'Check clientId in {secret} against the consumer key of the connected app; a new app needs some minutes to be known.',
  },
  {
    text: 'invalid client credentials',
    advice: 'Check the client secret for {connection} against the consumer secret of the connected app.',
  },
  {
    text: 'redirect_uri must match configuration',
    advice: 'Use the redirectUri that the connected app lists, and authorise again.',
  },
  {
    text: 'user is not admin approved to access this app',
    advice: 'Pre-authorise the integration user for the connected app, then run refresh for {connection}.',
  },
  {
    text: 'app must be installed into org',
    advice: "Install the connected app into the org, or approve it under 'Connected Apps OAuth Usage'.",
  },
  {
    text: 'login rate exceeded',
    kind: 'later',
    advice:
      'Salesforce allows 3,600 logins an hour a user: lengthen the interval or use one integration user a connection.',
  },
];

/** The published `error` codes (RFC 6749 section 5.2 and Salesforce's own), for refusals whose description is not one we know. */
const ERRORS: Readonly<Record<string, { readonly kind: RefusalKind; readonly advice: string }>> = {
  invalid_grant: {
    kind: 'terminal',
    advice: 'Look into the login history of the user in Salesforce, which names the reason, and correct {secret}.',
  },
  invalid_client: {
    kind: 'terminal',
    advice: 'Check clientId and the client secret for {connection} against the connected app.',
  },
  invalid_client_id: {
    kind: 'terminal',
    advice:
      'Check clientId in {secret} against the consumer key of the connected app; a new app needs some minutes to be known.',
  },
  invalid_client_credentials: {
    kind: 'terminal',
    advice: 'Check the client secret for {connection} against the consumer secret of the connected app.',
  },
  invalid_request: { kind: 'terminal', advice: 'Compare the keys of {secret} with the settings of the connected app.' },
  invalid_scope: { kind: 'terminal', advice: 'Give the connected app the scopes api and refresh_token.' },
  inactive_user: { kind: 'terminal', advice: 'Activate the integration user in Salesforce, or choose another one.' },
  inactive_org: { kind: 'terminal', advice: 'The org is locked, suspended or gone: ask its administrator.' },
  unauthorized_client: { kind: 'terminal', advice: 'Allow this grant in the settings of the connected app.' },
  unsupported_grant_type: { kind: 'terminal', advice: 'Enable this OAuth flow in the settings of the connected app.' },
  app_not_found: { kind: 'terminal', advice: 'Install the connected app in the org, or correct clientId in {secret}.' },
  invalid_app_access: {
    kind: 'terminal',
    advice: 'Pre-authorise the integration user for the connected app, then run refresh for {connection}.',
  },
  redirect_uri_mismatch: {
    kind: 'terminal',
    advice: 'Use the redirectUri that the connected app lists, and authorise again.',
  },
  rate_limit_exceeded: {
    kind: 'later',
    advice: 'Salesforce throttles this user or app: lengthen the interval if it goes on.',
  },
  server_error: { kind: 'later', advice: 'Salesforce has trouble of its own: see status.salesforce.com.' },
  temporarily_unavailable: { kind: 'later', advice: 'Salesforce has trouble of its own: see status.salesforce.com.' },
};

/**
 * Reads an OAuth error response: `error` first, the description only to add advice.
 *
 * @param response `error` and `error_description`, absent where the body is none (an HTML page), and the HTTP status
 * @param isAssertion whether a JWT was sent: then "expired authorization code" speaks of its `exp`
 * @param names what advice calls things: the connection and its secret
 */
export function readRefusal(
  response: { readonly error?: string | undefined; readonly description?: string | undefined; readonly status: number },
  isAssertion: boolean,
  names: { readonly connection: string; readonly secret: string },
): Refusal {
  const fill = (advice: string) =>
    advice.replaceAll('{connection}', names.connection).replaceAll('{secret}', names.secret);
  const { error, status } = response;
  if (status === 429 || status >= 500) {
    return {
      kind: 'later',
      message: `Salesforce answered HTTP ${status}.`,
      advice: 'Nothing to do unless it goes on: see status.salesforce.com.',
      wantsAuthorization: false,
    };
  }
  // The curly apostrophe and the comma come and go between releases.
  const description = response.description?.toLowerCase().replaceAll('\u2019', "'").replaceAll(',', '') ?? '';
  const known = DESCRIPTIONS.find(({ text }) => description.includes(text));
  const wantsAuthorization = known?.wantsAuthorization === true;
  const meaning = error === undefined || !Object.hasOwn(ERRORS, error) ? undefined : ERRORS[error];
  if (error === undefined || meaning === undefined) {
    const message =
      known === undefined
        ? `HTTP ${status} with an error that Salesforce does not publish.`
        : `HTTP ${status}: ${known.text}`;
    return {
      kind: known?.kind ?? 'terminal',
      message,
      advice: fill(known?.advice ?? FALLBACK_ADVICE),
      wantsAuthorization,
    };
  }
  if (isAssertion && known?.text === 'expired authorization code') {
    return {
      kind: 'assertion-expired',
      message: `${error}: ${known.text}`,
      advice: 'The JWT was out of date when it arrived although it was signed anew: check the clock.',
      wantsAuthorization: false,
    };
  }
  const kind = meaning.kind === 'terminal' && known?.kind !== undefined ? known.kind : meaning.kind;
  return {
    kind,
    message: known === undefined ? error : `${error}: ${known.text}`,
    advice: fill(known?.advice ?? meaning.advice),
    wantsAuthorization,
  };
}

const FALLBACK_ADVICE =
  "Look into the login history of the user in Salesforce, and compare {secret} with the connected app's settings.";
