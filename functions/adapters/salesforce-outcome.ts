import { RefreshError } from '../core/errors.ts';
import type { AccessToken, Tokens } from '../core/ports.ts';
import { isTrouble, passesByItself, type Refusal, readRefusal } from './salesforce-refusal.ts';
import { errorOf, type Reply, tokensOf } from './salesforce-reply.ts';

/** Who asked, and what for. */
export interface Asked {
  readonly connection: string;
  readonly secretName: string;
  /** Origin of the login host. */
  readonly loginUrl: string;
  /** Whether a JWT was sent. */
  readonly isAssertion: boolean;
  /** When, in epoch milliseconds. */
  readonly at: number;
}

/** A refusal on its way to becoming an error: whoever asked may know a cure. */
export class Refused extends Error {
  readonly refusal: Refusal;
  /** Whether a gateway answered for a server that may still be at work. */
  readonly isGateway: boolean;
  /** The server's clock, epoch milliseconds (its `Date` header). */
  readonly serverNow: number | undefined;

  constructor(refusal: Refusal, { status, serverNow }: Pick<Reply, 'status' | 'serverNow'>) {
    super(refusal.message);
    this.name = 'Refused';
    this.refusal = refusal;
    this.isGateway = status === 502 || status === 504;
    this.serverNow = serverNow;
  }
}

/**
 * The tokens of an answer of the token endpoint.
 *
 * @returns at least one of them
 * @throws Refused what Salesforce says; RefreshError `SALESFORCE_REFUSED` where it points elsewhere, `SALESFORCE_REPLY_UNREADABLE`
 */
export function issuedIn(reply: Reply, asked: Asked): Tokens {
  const tokens = tokensOf(reply, asked.at);
  if (tokens !== undefined) return tokens;
  throw refusedIn(reply, asked) ?? redirected(reply, asked) ?? unreadable(reply, asked);
}

/** The access token of an answer to what is not spent. @throws as `issuedIn` does */
export function accessTokenIn(reply: Reply, asked: Asked): AccessToken {
  const { accessToken, refreshToken: _unasked, ...rest } = issuedIn(reply, asked);
  if (accessToken === undefined) throw unreadable(reply, asked);
  return { ...rest, accessToken };
}

function refusedIn(reply: Reply, { connection, secretName, isAssertion }: Asked): Refused | undefined {
  const { status, text } = reply;
  const said = errorOf(reply);
  // What a gateway says may come with any status.
  const isPassing = said === undefined && status >= 400 && passesByItself(text);
  if (said === undefined && !isTrouble(status) && !isPassing) return undefined;
  const names = { connection, secret: secretName };
  const refusal = readRefusal({ ...said, status, ...(isPassing && { description: text }) }, isAssertion, names);
  return new Refused(refusal, reply);
}

/** Whether an answer says nothing about what was sent, only that there was no time for it: an outage, or a limit of the whole org. */
export function isForNow(reply: Reply): boolean {
  const said = errorOf(reply);
  if (said === undefined) return isTrouble(reply.status) || passesByItself(reply.text);
  return readRefusal({ ...said, status: reply.status }, false, { connection: '', secret: '' }).kind === 'later';
}

/**
 * A redirect to another address, as an error that is final: a token, assertion or secret goes to the one host that was checked, and somebody must say
 * which that is. One within the same host is none of these: it may be a page for the time being.
 */
export function redirected({ status, leadsTo }: Reply, { loginUrl, secretName }: Asked): RefreshError | undefined {
  if (leadsTo === undefined || !leadsTo.isRedirect || !leadsTo.isElsewhere) return undefined;
  const { host } = leadsTo;
  return new RefreshError(
    'SALESFORCE_REFUSED',
    `${loginUrl} answered HTTP ${status} and points to ${host}. Redirects are not followed.`,
    `Set loginUrl in ${secretName} to the org's My Domain, as Salesforce shows it in Setup. If ${host} is that, name it; if nobody knows it, look for a proxy on the way.`,
  );
}

function unreadable({ status, leadsTo }: Reply, { loginUrl, secretName }: Asked): RefreshError {
  const onward =
    leadsTo === undefined ? '' : `, and leads on to ${leadsTo.isElsewhere ? leadsTo.host : 'another page'}`;
  return new RefreshError(
    'SALESFORCE_REPLY_UNREADABLE',
    `${loginUrl} answered HTTP ${status} with neither a token nor an OAuth error${onward}.`,
    `Check that loginUrl in ${secretName} is the login host of an org, not a site or a proxy.`,
  );
}
