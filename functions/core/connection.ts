import { type GrantType, violation } from './credentials.ts';
import { isLoginHost } from './login-hosts.ts';
import { Redacted } from './redacted.ts';
import { Problems, readValues, type Values } from './secret-value.ts';

/** What AppFlow is given. */
export type HandOver = 'JWT' | 'ACCESS_TOKEN' | 'ACCESS_AND_REFRESH_TOKEN' | 'CLIENT_CREDENTIALS_ARN';

/** Where the private half of an RSA key lives: in the secret, as PEM, or in KMS, which never lets it out. */
export type SigningKey = { readonly pem: Redacted } | { readonly kmsKeyId: string };

/** What a refresh token is first got from: the token itself, or an authorization code that is exchanged once. */
export type Seed = { readonly refreshToken: Redacted } | { readonly authCode: Redacted; readonly redirectUri: string };

interface ConnectionBase {
  readonly name: string;
  /** Origin of the token endpoint, without a trailing slash; matches LOGIN_HOSTS. */
  readonly loginUrl: string;
}

export interface JwtBearerConnection extends ConnectionBase {
  readonly grantType: 'JWT_BEARER';
  readonly handOver: 'JWT' | 'ACCESS_TOKEN';
  readonly clientId: string;
  readonly username: string;
  readonly audience: string;
  readonly key: SigningKey;
  /** Used instead of `key` as soon as Salesforce accepts it. */
  readonly nextKey: SigningKey | undefined;
  /** PEM; its end is watched. */
  readonly certificate: string | undefined;
  readonly lifetimeSeconds: number | undefined;
}

export interface AuthorizationCodeConnection extends ConnectionBase {
  readonly grantType: 'AUTHORIZATION_CODE';
  readonly handOver: 'ACCESS_TOKEN' | 'ACCESS_AND_REFRESH_TOKEN';
  readonly clientId: string;
  readonly clientSecret: Redacted | undefined;
  readonly seed: Seed;
  readonly clientCredentialsArn: string | undefined;
}

export interface ClientCredentialsConnection extends ConnectionBase {
  readonly grantType: 'CLIENT_CREDENTIALS';
  readonly handOver: 'ACCESS_TOKEN' | 'CLIENT_CREDENTIALS_ARN';
  readonly clientCredentialsArn: string;
}

export type Connection = JwtBearerConnection | AuthorizationCodeConnection | ClientCredentialsConnection;

/** What parsing a connection's secret must know besides the secret. */
export interface ConnectionRules {
  readonly secretPrefix: string;
  readonly loginHosts: readonly string[];
  readonly clientSecretPrefix: string;
  /** What is wrong with a PEM private key, as the end of a sentence; `undefined` where it is an RSA key of at least 2048 bits. */
  readonly privateKeyProblem: (pem: Redacted) => string | undefined;
  /** What is wrong with a PEM certificate whose key should be that of one of the private keys. */
  readonly certificateProblem: (pem: string, privateKeys: readonly Redacted[]) => string | undefined;
}

const HAND_OVERS = {
  JWT_BEARER: ['JWT', 'ACCESS_TOKEN'],
  AUTHORIZATION_CODE: ['ACCESS_AND_REFRESH_TOKEN', 'ACCESS_TOKEN'],
  CLIENT_CREDENTIALS: ['CLIENT_CREDENTIALS_ARN', 'ACCESS_TOKEN'],
} as const satisfies Record<GrantType, readonly HandOver[]>;

/**
 * A connection's secret, parsed. All that is wrong with it is reported in one error, in the words of the secret's keys and without
 * any value.
 *
 * @param name the connection's name, as people call it
 * @param secret the secret's value: one JSON object
 * @throws RefreshError `SECRET_MALFORMED`; `KEY_UNUSABLE`, `LOGIN_HOST_REFUSED` or `CONSTRAINT_VIOLATED` where nothing worse is wrong
 */
export function parseConnection(name: string, secret: Redacted, rules: ConnectionRules): Connection {
  const problems = new Problems();
  const values = readValues(secret, problems);
  const connection = values === undefined ? undefined : build(name, values, problems, rules);
  if (connection === undefined || !problems.none) throw problems.error(name, rules.secretPrefix);
  return connection;
}

/** A number of seconds as a tag spells it; `undefined` where it is none. */
export function intervalOf(tag: string): number | undefined {
  return /^[1-9]\d{0,7}$/.test(tag) ? Number(tag) : undefined;
}

function build(name: string, values: Values, problems: Problems, rules: ConnectionRules): Connection | undefined {
  const { grantType } = values;
  const loginUrl = loginUrlOf(values.loginUrl, problems, rules);
  if (grantType === undefined) return undefined;
  const handOver = values.handOver ?? HAND_OVERS[grantType][0];
  if (!HAND_OVERS[grantType].some((possible) => possible === handOver)) {
    problems.add(
      `handOver ${handOver} is not possible for ${grantType}, which takes ${HAND_OVERS[grantType].join(' or ')}`,
    );
  }
  const base = { name, loginUrl };
  switch (grantType) {
    case 'JWT_BEARER':
      return jwtBearer(base, handOver === 'ACCESS_TOKEN' ? 'ACCESS_TOKEN' : 'JWT', values, problems, rules);
    case 'AUTHORIZATION_CODE':
      return authorizationCode(
        base,
        handOver === 'ACCESS_TOKEN' ? 'ACCESS_TOKEN' : 'ACCESS_AND_REFRESH_TOKEN',
        values,
        problems,
        rules,
      );
    case 'CLIENT_CREDENTIALS':
      return {
        ...base,
        grantType,
        handOver: handOver === 'ACCESS_TOKEN' ? 'ACCESS_TOKEN' : 'CLIENT_CREDENTIALS_ARN',
        clientCredentialsArn: required(values, 'clientCredentialsArn', problems, (arn) =>
          checkArn(arn, problems, rules),
        ),
      };
  }
}

function jwtBearer(
  base: ConnectionBase,
  handOver: JwtBearerConnection['handOver'],
  values: Values,
  problems: Problems,
  rules: ConnectionRules,
): JwtBearerConnection {
  const key = signingKey(values, 'privateKey', 'kmsKeyId', problems, rules);
  if (key === undefined && !problems.mention('privateKey') && !problems.mention('kmsKeyId'))
    problems.add('one of privateKey and kmsKeyId is required');
  const nextKey = signingKey(values, 'nextPrivateKey', 'nextKmsKeyId', problems, rules);
  if (values.certificate !== undefined) {
    const pems = [key, nextKey].flatMap((k) =>
      k !== undefined && 'pem' in k && rules.privateKeyProblem(k.pem) === undefined ? [k.pem] : [],
    );
    const problem = rules.certificateProblem(values.certificate, pems);
    if (problem !== undefined) problems.add(`certificate ${problem}`, 'KEY_UNUSABLE');
  }
  if (values.lifetimeSeconds !== undefined && handOver === 'ACCESS_TOKEN') {
    problems.add('lifetimeSeconds has no use where handOver is ACCESS_TOKEN: our own JWT lives 180 seconds');
  }
  return {
    ...base,
    grantType: 'JWT_BEARER',
    handOver,
    clientId: required(values, 'clientId', problems),
    username: required(values, 'username', problems),
    audience: values.audience ?? base.loginUrl,
    key: key ?? { kmsKeyId: '' },
    nextKey,
    certificate: values.certificate,
    lifetimeSeconds: values.lifetimeSeconds,
  };
}

function authorizationCode(
  base: ConnectionBase,
  handOver: AuthorizationCodeConnection['handOver'],
  values: Values,
  problems: Problems,
  rules: ConnectionRules,
): AuthorizationCodeConnection {
  const { refreshToken, oAuthRequest } = values;
  if (refreshToken !== undefined && oAuthRequest !== undefined)
    problems.add('only one of refreshToken and oAuthRequest may be given');
  if (
    refreshToken === undefined &&
    oAuthRequest === undefined &&
    !problems.mention('refreshToken') &&
    !problems.mention('oAuthRequest')
  ) {
    problems.add('one of refreshToken and oAuthRequest is required');
  }
  const seeds = {
    refreshToken,
    'oAuthRequest.authCode': oAuthRequest?.authCode,
    'oAuthRequest.redirectUri': oAuthRequest?.redirectUri,
  };
  for (const field of ['refreshToken', 'oAuthRequest.authCode', 'oAuthRequest.redirectUri'] as const) {
    const problem = seeds[field] === undefined ? undefined : violation(field, seeds[field]);
    if (problem !== undefined) problems.add(problem, 'CONSTRAINT_VIOLATED');
  }
  if (values.clientCredentialsArn !== undefined) checkArn(values.clientCredentialsArn, problems, rules);
  return {
    ...base,
    grantType: 'AUTHORIZATION_CODE',
    handOver,
    clientId: required(values, 'clientId', problems),
    clientSecret: values.clientSecret === undefined ? undefined : new Redacted(values.clientSecret),
    seed:
      oAuthRequest === undefined
        ? { refreshToken: new Redacted(refreshToken ?? '') }
        : { authCode: new Redacted(oAuthRequest.authCode), redirectUri: oAuthRequest.redirectUri },
    clientCredentialsArn: values.clientCredentialsArn,
  };
}

/** The value of a required key. The empty string it gives where the key is missing goes nowhere: the problem stops the parse. */
function required(
  values: Values,
  key: 'clientId' | 'username' | 'clientCredentialsArn',
  problems: Problems,
  check?: (value: string) => void,
): string {
  const value = values[key];
  if (value !== undefined) check?.(value);
  else if (!problems.mention(key)) problems.add(`${key} is missing`);
  return value ?? '';
}

function signingKey(
  values: Values,
  inSecret: 'privateKey' | 'nextPrivateKey',
  inKms: 'kmsKeyId' | 'nextKmsKeyId',
  problems: Problems,
  rules: ConnectionRules,
): SigningKey | undefined {
  const pemText = values[inSecret];
  const keyId = values[inKms];
  if (pemText !== undefined && keyId !== undefined) problems.add(`only one of ${inSecret} and ${inKms} may be given`);
  if (pemText !== undefined) {
    const boxed = new Redacted(pemText);
    const problem = rules.privateKeyProblem(boxed);
    if (problem !== undefined) problems.add(`${inSecret} ${problem}`, 'KEY_UNUSABLE');
    return { pem: boxed };
  }
  return keyId === undefined ? undefined : { kmsKeyId: keyId };
}

function loginUrlOf(given: string | undefined, problems: Problems, rules: ConnectionRules): string {
  if (given === undefined) {
    const standard = 'https://login.salesforce.com';
    if (!isLoginHost(standard, rules.loginHosts))
      problems.add(`loginUrl is not given, and ${standard} is not one of LOGIN_HOSTS`, 'LOGIN_HOST_REFUSED');
    return standard;
  }
  const url = URL.parse(given);
  if (url === null || (url.href !== `${url.origin}/` && url.href !== url.origin)) {
    problems.add('loginUrl is not an origin such as https://example.my.salesforce.com, without path or query');
    return given;
  }
  if (!isLoginHost(url.origin, rules.loginHosts))
    problems.add(`loginUrl is not one of LOGIN_HOSTS (${rules.loginHosts.join(', ')})`, 'LOGIN_HOST_REFUSED');
  return url.origin;
}

function checkArn(arn: string, problems: Problems, rules: ConnectionRules): void {
  const problem = violation('clientCredentialsArn', arn);
  // arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-RANDOM
  const secretName = /^arn:aws:secretsmanager:[a-z0-9-]+:\d{12}:secret:(.+)$/.exec(arn)?.[1];
  if (problem !== undefined) {
    problems.add(problem, 'CONSTRAINT_VIOLATED');
  } else if (secretName === undefined) {
    problems.add('clientCredentialsArn is not the ARN of a secret');
  } else if (!secretName.startsWith(rules.clientSecretPrefix)) {
    problems.add(
      `clientCredentialsArn is not of a secret named under ${rules.clientSecretPrefix}, the only ones that the functions and AppFlow may read`,
    );
  }
}
