import {
  AGAIN,
  CURES_BY_DESCRIPTION,
  CURES_BY_ERROR,
  type Cure,
  type RefusalKind,
  UNKNOWN,
} from './salesforce-cures.ts';

export interface Refusal {
  readonly kind: RefusalKind;
  /** `error`, and the description where it is one of the published ones; never text of the response that we do not know. */
  readonly message: string;
  /** What the person on call should do about it, as an imperative sentence. */
  readonly advice: string;
  /** Whether a new authorisation by a person is what it takes. */
  readonly wantsAuthorization: boolean;
}

/** What was said, and by which status; a browser brings an error without one. */
export interface Said {
  readonly error?: string | undefined;
  readonly description?: string | undefined;
  readonly status?: number | undefined;
}

/**
 * Reads an OAuth error: `error` first, the description only to add advice, or to see that the same request may succeed later.
 *
 * @param said `error` and `error_description`, absent where the body is none (an HTML page)
 * @param isAssertion whether a JWT was sent: then "expired authorization code" speaks of its `exp`
 * @param names what advice calls things: the connection and its secret
 */
export function readRefusal(
  said: Said,
  isAssertion: boolean,
  names: { readonly connection: string; readonly secret: string },
): Refusal {
  const { status } = said;
  const refusal = (message: string, { advice, kind = 'terminal', wantsAuthorization }: CureInUse): Refusal => ({
    kind,
    message,
    advice: advice
      .replaceAll('{loginUrl}', isAssertion ? 'loginUrl and audience' : 'loginUrl')
      .replaceAll('{connection}', names.connection)
      .replaceAll('{secret}', names.secret),
    wantsAuthorization: wantsAuthorization === true,
  });
  if (status !== undefined && isTrouble(status)) return refusal(`Salesforce answered HTTP ${status}.`, AGAIN);

  const description = plain(said.description ?? '');
  const byDescription = CURES_BY_DESCRIPTION.find(({ text }) => description.includes(text));
  const byError = cureOf(said.error);
  const shown = shownCode(said.error) ?? (status === undefined ? 'an error without a code' : `HTTP ${status}`);
  if (isAssertion && byDescription?.text === 'expired authorization code' && byError?.kind === undefined) {
    const advice =
      'Check the clock: the JWT of {connection} was out of date when it arrived although it was signed anew.';
    return refusal(`${shown}: ${byDescription.text}`, { advice, kind: 'assertion-expired' });
  }
  // A code that is in no list may say it too: server_busy.
  const asksAgain = againIn(description) ?? (byError === undefined ? laterIn(said.error ?? '') : undefined);
  const cure = byDescription ?? byError;
  if (asksAgain !== undefined && isBelieved(asksAgain, byDescription, byError))
    return refusal(`${shown}: Salesforce asks to try again`, byError?.kind === undefined ? AGAIN : byError);
  if (cure === undefined)
    return refusal(`${shown}: this refusal is not in our list, so it is taken for final.`, UNKNOWN);
  const kind = byError?.kind ?? byDescription?.kind;
  return refusal(byDescription === undefined ? shown : `${shown}: ${byDescription.text}`, {
    advice: cure.advice,
    ...(kind && { kind }),
    ...(cure.wantsAuthorization && { wantsAuthorization: true }),
  });
}

type CureInUse = Omit<Cure, 'kind'> & { readonly kind?: RefusalKind };

/** Whether a status says by itself that the answer may be another next time. */
export function isTrouble(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

function cureOf(error: string | undefined): Cure | undefined {
  const code = error
    ?.trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, '_');
  return code !== undefined && Object.hasOwn(CURES_BY_ERROR, code) ? CURES_BY_ERROR[code] : undefined;
}

/** Words of letters, as OAuth's codes are (`invalid_grant`, `OAUTH_APP_BLOCKED`, `access-denied`), and nothing that looks drawn by lot. */
const CODE = /^(?:[a-z]{2,14}(?:[_-][a-z]{1,14}){0,7}|[A-Z]{2,14}(?:[_-][A-Z]{1,14}){0,7})$/;

function shownCode(error: string | undefined): string | undefined {
  const code = error?.trim() ?? '';
  return code.length <= 60 && CODE.test(code) ? code : undefined;
}

/** The curly apostrophe and the comma come and go between releases. Nobody writes more than a few sentences. */
function plain(text: string): string {
  return text.slice(0, 2_000).toLowerCase().replaceAll('\u2019', "'").replaceAll(',', '').replaceAll(/\s+/g, ' ');
}

/** A dead token stays dead, whatever is said besides. A code that names its cause is believed rather than a polite "please try again". */
function isBelieved(asks: 'again' | 'later', byDescription: Cure | undefined, byError: Cure | undefined): boolean {
  if (byDescription !== undefined && byDescription.isVague === undefined) return false;
  return asks === 'later' || byError === undefined || byError.isVague === true || byError.kind === 'later';
}

/** A person is to log in or to approve, whatever follows: the same request would be refused again. */
const ANOTHER_LOGIN =
  /\b(?:log (?:back )?in|sign (?:back )?in|authori[sz]e|authenticate|approve|connect)(?: \w+){0,4} again\b|\bre-?(?:authori[sz]|authenticat|connect|login|log in)|(?:^|[.;:!] |please |must |should |and )(?:log (?:back )?in|sign (?:back )?in|authori[sz]e|authenticate|approve)\b/;
/** The same request again, under a condition that only a person can meet. */
const ON_CONDITION =
  /\b(?:retry|try(?: \w+){0,3} again)(?: your \w+| the \w+)? (?:with|using|once|when|as|from|after (?!\d|an? |some |the maintenance))/;
const NOT_AGAIN = /\b(?:not|n't|never|no|cannot|without)(?: be| a)? (?:retry|retried|try(?: \w+){0,3} again)/;
/** It passes by itself. */
const LATER: readonly RegExp[] = [
  /\b(?:retry|try|repeat|resend|resubmit)\b[^.]{0,50}\b(?:later|shortly|soon|in (?:a|an|a few|some|a couple of|\d+) ?(?:few )?(?:seconds?|minutes?|moments?|hours?|while)|after (?:an?|some|\d+) \w+)/,
  /\bretry[ -]after\b/,
  /\b(?:again|(?:check|come) back) (?:later|shortly|soon)\b|\bread[ -]only mode\b/,
  /\b(?:retry|repeat|resend|resubmit) (?:your|the|this) (?:request|operation|call)\b/,
  /\btemporarily (?:unavailable|down|unable|overloaded|disabled|blocked|suspended|offline)\b|\btemporary (?:failure|error|problem|issue|outage|condition)\b/,
  /\b(?:services?|servers?|system|instance|salesforce|endpoint|database)\b[^.]{0,20}\b(?:unavailable|overloaded|busy|down|under maintenance)\b/,
  /\bcurrently (?:unavailable|busy|down|overloaded)\b|\b(?:scheduled|planned|under|for|during|undergoing) maintenance\b/,
  /\bthrottl(?:ed|ing)\b|\btoo many (?:\w+ )?(?:requests|logins|attempts)\b/,
  /\b(?:rate|requests?|api|logins?|token)(?: rate| requests?)? limit (?:has been |was |is )?(?:exceeded|reached)\b|\b(?:rate|number of logins) exceeded\b/,
  /\bunable to obtain exclusive access\b|\binternal (?:server )?error\b/,
  /\b(?:request|server|gateway|connection|query|operation) (?:has |was )?(?:timeout|timed out)\b/,
];
const AGAIN_WORDS = /\b(?:re)?try(?:ing)?(?: (?:your|the|this|that)(?: \w+){1,3})? again\b|\bretry\b/;
/** With one of these it is advice to a person. */
const INSTRUCTION =
  /\b(?:log ?in|sign ?in|authori[sz]e|check|verify|correct|fix|ensure|make sure|contact|update|reset|enter|provide|supply|use|enable|install|grant|approve|password|credentials?|invalid|incorrect|wrong|expired|revoked)\b/;

/** Whether a description says that the same request may succeed: because it asks to try again, or, for sure, later. */
function againIn(description: string): 'again' | 'later' | undefined {
  if (ANOTHER_LOGIN.test(description) || NOT_AGAIN.test(description) || ON_CONDITION.test(description))
    return undefined;
  const words = description.split(/[^a-z_]+/);
  if (words.some((word) => word.includes('_') && cureOf(word)?.kind === 'later')) return 'later';
  if (LATER.some((pattern) => pattern.test(description))) return 'later';
  return AGAIN_WORDS.test(description) && !INSTRUCTION.test(description) ? 'again' : undefined;
}

function laterIn(error: string): 'later' | undefined {
  return againIn(plain(error).replaceAll(/[_-]/g, ' ')) === 'later' ? 'later' : undefined;
}

/** Whether a page that is no OAuth error says that it passes by itself. */
export function passesByItself(page: string): boolean {
  return againIn(plain(page)) === 'later';
}
