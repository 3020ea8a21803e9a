import { endOf } from '../access-token-end.ts';
import type { JwtBearerConnection, SigningKey } from '../connection/connection.ts';
import { checkServes, keyUnseen, serves } from '../connection/serves.ts';
import type { Context } from '../context.ts';
import { RefreshError } from '../errors.ts';
import type { AccessToken } from '../ports.ts';
import type { Redacted } from '../redacted.ts';
import { accessTokenAlone, checkAccessTokenLife, type Grant, type Obtained, type Serving } from './grant.ts';

/** Life of a JWT that we exchange ourselves, at once: the shortest that Salesforce's documents speak of. */
const OWN_ASSERTION_SECONDS = 180;

const DAY = 86_400_000;
/** Days before the end of a certificate from which on people are warned. */
export const CERTIFICATE_WARN_DAYS = 30;

/** JWT_BEARER (RFC 7523): a JWT for AppFlow to exchange, or an access token that we exchanged one for. */
export function jwtBearer(connection: JwtBearerConnection): Grant {
  return {
    connection,
    handOver: () => connection.handOver,
    async obtain(serving, use) {
      warnOfCertificate(connection, serving);
      const obtained = await obtain(connection, serving);
      await use(obtained);
      return obtained;
    },
    // Nothing is kept, so nothing is ever left undone.
    finish: async () => undefined,
    dryRunProves: connection.handOver === 'ACCESS_TOKEN',
    async prove(context) {
      // In the order in which a refresh tries its keys.
      if ((await exchangeWithNextKey(connection, context)) === undefined) await exchange(connection, context);
      return { state: 'proven', detail: 'Salesforce accepts a JWT that is signed with its key' };
    },
    lastRun: async () => undefined,
  };
}

async function obtain(connection: JwtBearerConnection, serving: Serving): Promise<Obtained> {
  const { handOver } = connection;
  const renewed = () => obtain(connection, serving);
  if (handOver === 'ACCESS_TOKEN') {
    const token = (await exchangeWithNextKey(connection, serving)) ?? (await exchange(connection, serving));
    const validUntil = endOf(token);
    checkAccessTokenLife(validUntil, serving);
    return { credentials: accessTokenAlone(token.accessToken), handOver, validUntil, renewed };
  }
  const { rules, target, run } = serving;
  const lifetimeSeconds = connection.lifetimeSeconds ?? rules.jwtLifetimeSeconds;
  if (lifetimeSeconds < 2 * target.intervalSeconds) throw lifetimeTooShort(connection.name, lifetimeSeconds, serving);
  const isNext = (await exchangeWithNextKey(connection, serving)) !== undefined;
  const key = isNext && connection.nextKey !== undefined ? connection.nextKey : connection.key;
  const expiresAt = Math.floor(run.now() / 1000) + lifetimeSeconds;
  const jwtToken = await sign(connection, key, expiresAt, serving);
  return {
    credentials: { oAuth2GrantType: 'JWT_BEARER', jwtToken },
    handOver,
    validUntil: new Date(expiresAt * 1000),
    renewed,
  };
}

/** An access token for a JWT of our own, which changes nothing in Salesforce. */
function exchange(
  connection: JwtBearerConnection,
  context: Context,
  key: SigningKey = connection.key,
): Promise<AccessToken> {
  const { rules, ports, run } = context;
  const endpoint = ports.salesforce.tokenEndpoint(connection, rules.secretPrefix + connection.name);
  return endpoint.exchangeAssertion(
    (now) => sign(connection, key, Math.floor(now / 1000) + OWN_ASSERTION_SECONDS, context),
    run,
  );
}

/** The answer to an assertion signed with the next key; `undefined` where there is none, or Salesforce does not accept it (yet). */
async function exchangeWithNextKey(
  connection: JwtBearerConnection,
  context: Context,
): Promise<AccessToken | undefined> {
  if (connection.nextKey === undefined) return undefined;
  try {
    return await exchange(connection, context, connection.nextKey);
  } catch (error) {
    // What may pass says nothing about the key.
    if (!(error instanceof RefreshError) || error.retryable) throw error;
    context.run.warn(
      connection.name,
      `Salesforce does not accept the next key yet: ${error.code} (${error.message}). Refreshes go on with the current one.`,
    );
    return undefined;
  }
}

/** @param expiresAt epoch seconds */
async function sign(
  { name, clientId, username, audience }: JwtBearerConnection,
  key: SigningKey,
  expiresAt: number,
  context: Context,
): Promise<Redacted> {
  const admitted = 'pem' in key ? key : { kmsKeyId: await admittedKey(name, key.kmsKeyId, context) };
  const claims = claimsSet({ issuer: clientId, subject: username, audience, expiresAt });
  return context.ports.signer.sign(admitted, claims, context.run);
}

/** The ARN of a KMS key that says itself that it serves the connection: an alias may name another key by the time it signs. */
async function admittedKey(connection: string, kmsKeyId: string, { ports, run }: Context): Promise<string> {
  const tagged = await ports.signer.keyTags(
    {
      kmsKeyId,
      willDo: ({ tags }) => serves(tags, connection),
      denied: (cause) => keyUnseen(kmsKeyId, connection, cause),
    },
    run,
  );
  checkServes('KMS key', tagged, connection);
  return tagged.arn;
}

function lifetimeTooShort(name: string, lifetimeSeconds: number, { target }: Serving): RefreshError {
  const least = 2 * target.intervalSeconds;
  return new RefreshError(
    'LIFETIME_TOO_SHORT',
    `The JWT of ${name} would live ${lifetimeSeconds} s, and must live at least twice the refresh interval of ${target.intervalSeconds} s.`,
    `Set lifetimeSeconds of ${name} to ${least} or more, or shorten its refresh interval: AppFlow presents the JWT each time it needs an access token.`,
  );
}

function warnOfCertificate({ name, certificate }: JwtBearerConnection, { ports, run }: Serving): void {
  if (certificate === undefined) return;
  const end = ports.signer.certificateEnd(certificate);
  const days = Math.floor((end.getTime() - run.now()) / DAY);
  if (days > CERTIFICATE_WARN_DAYS) return;
  run.warn(
    name,
    `The certificate ${days < 0 ? 'ended' : 'ends'} on ${end.toISOString().slice(0, 10)}: upload a new one to the connected app and store its key as nextPrivateKey.`,
  );
}

/** RFC 7523 section 3: what a JWT bearer assertion for Salesforce claims. */
export interface Claims {
  /** The connected app's consumer key. */
  readonly issuer: string;
  /** The integration user's name. */
  readonly subject: string;
  readonly audience: string;
  /** Epoch seconds (RFC 7519 section 4.1.4). */
  readonly expiresAt: number;
}

/**
 * The claims set as JSON text in pure ASCII without `>` and `~`: each such character is written as `\uXXXX`, which means the same
 * to every JSON parser.
 *
 * AppFlow's pattern for `jwtToken` has no `-` in its first two segments, and base64url writes sextet 62 as `-`. Over ASCII text that
 * sextet appears exactly where the third byte of a group is `>` (0x3E) or `~` (0x7E); over other text it can appear anywhere. With
 * those characters escaped it cannot appear at all. (`_`, sextet 63, is allowed.)
 *
 * No `jti`: AppFlow presents the same JWT again whenever it needs an access token, and Salesforce takes a `jti` once only.
 */
export function claimsSet(claims: Claims): string {
  const json = JSON.stringify({
    iss: claims.issuer,
    sub: claims.subject,
    aud: claims.audience,
    exp: claims.expiresAt,
  });
  // Without the `u` flag the expression walks UTF-16 code units, which is what \uXXXX spells; 0x7F and above go too.
  return json.replace(/[>~\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
