import { violation } from '../credentials.ts';
import { Redacted } from '../redacted.ts';
import { enumerated } from '../wording.ts';
import {
  type AuthorizationCodeConnection,
  type Connection,
  type ConnectionBase,
  type ConnectionRules,
  HAND_OVERS,
  type JwtBearerConnection,
  type KeyChecks,
  type SigningKey,
} from './connection.ts';
import { isListedHost } from './listed-hosts.ts';
import { Problems, readValues, type Values } from './secret-value.ts';
import { isProfileName } from './target.ts';

/** What is being parsed, and where problems are gathered. */
interface Parsing {
  readonly values: Values;
  readonly problems: Problems;
  readonly rules: ConnectionRules;
  readonly keys: KeyChecks;
}

/**
 * A connection's secret, parsed. All that is wrong with it is reported in one error, in the words of the secret's keys and without
 * any value.
 *
 * @param name the connection's name, as people call it
 * @param secret the secret's value: one JSON object
 * @throws RefreshError `SECRET_MALFORMED`; `KEY_UNUSABLE`, `LOGIN_HOST_REFUSED` or `CONSTRAINT_VIOLATED` where nothing worse is wrong
 */
export function parseConnection(name: string, secret: Redacted, rules: ConnectionRules, keys: KeyChecks): Connection {
  const problems = new Problems();
  const values = readValues(secret, problems);
  const connection = values === undefined ? undefined : build(name, { values, problems, rules, keys });
  if (connection === undefined || !problems.none) throw problems.error(name, rules.secretPrefix);
  return connection;
}

function build(name: string, parsing: Parsing): Connection | undefined {
  const { grantType } = parsing.values;
  const base = { name, connectorProfileName: profileNameOf(name, parsing), loginUrl: loginUrlOf(parsing) };
  if (grantType === undefined) return undefined;
  switch (grantType) {
    case 'JWT_BEARER':
      return parseJwtBearer(base, parsing);
    case 'AUTHORIZATION_CODE':
      return parseAuthorizationCode(base, parsing);
    case 'CLIENT_CREDENTIALS':
      return {
        ...base,
        grantType,
        handOver: handOverOf(grantType, parsing),
        clientCredentialsArn: required('clientCredentialsArn', parsing, (arn) => checkArn(arn, parsing)),
      };
  }
}

function profileNameOf(name: string, { values, problems }: Parsing): string {
  const profileName = values.connectorProfileName ?? name;
  if (!isProfileName(profileName))
    problems.add('connectorProfileName is missing, and the name of the connection is too long for a profile');
  return profileName;
}

function handOverOf<G extends keyof typeof HAND_OVERS>(
  grantType: G,
  { values, problems }: Parsing,
): (typeof HAND_OVERS)[G][number] {
  const possible: readonly (typeof HAND_OVERS)[G][number][] = HAND_OVERS[grantType];
  const standard: (typeof HAND_OVERS)[G][number] = HAND_OVERS[grantType][0];
  if (values.handOver === undefined) return standard;
  const handOver = possible.find((one) => one === values.handOver);
  if (handOver === undefined)
    problems.add(`handOver ${values.handOver} is not possible for ${grantType}, which takes ${possible.join(' or ')}`);
  return handOver ?? standard;
}

function parseJwtBearer(base: ConnectionBase, parsing: Parsing): JwtBearerConnection {
  const { values, problems } = parsing;
  const handOver = handOverOf('JWT_BEARER', parsing);
  const key = signingKey('privateKey', 'kmsKeyId', parsing);
  if (key === undefined && !problems.mention('privateKey') && !problems.mention('kmsKeyId'))
    problems.add('one of privateKey and kmsKeyId is required');
  const nextKey = signingKey('nextPrivateKey', 'nextKmsKeyId', parsing);
  const certificate = certificateOf([key, nextKey], parsing);
  if (values.lifetimeSeconds !== undefined && handOver === 'ACCESS_TOKEN') {
    problems.add('lifetimeSeconds has no use where handOver is ACCESS_TOKEN: our own JWT lives 180 seconds');
  }
  return {
    ...base,
    grantType: 'JWT_BEARER',
    handOver,
    clientId: required('clientId', parsing),
    username: required('username', parsing),
    audience: values.audience ?? base.loginUrl,
    key: key ?? { kmsKeyId: '' },
    nextKey,
    certificate,
    lifetimeSeconds: values.lifetimeSeconds,
  };
}

function certificateOf(
  signing: readonly (SigningKey | undefined)[],
  { values, problems, keys }: Parsing,
): string | undefined {
  if (values.certificate === undefined) return undefined;
  const usable = signing.flatMap((key) =>
    key !== undefined && 'pem' in key && keys.privateKeyProblem(key.pem) === undefined ? [key.pem] : [],
  );
  // Boxed until it is alone: what people paste may hold the private key as well.
  const found = keys.certificateIn(new Redacted(values.certificate), usable);
  if ('pem' in found) return found.pem;
  problems.addUnusable('certificate', found);
  return undefined;
}

function parseAuthorizationCode(base: ConnectionBase, parsing: Parsing): AuthorizationCodeConnection {
  const { values, problems } = parsing;
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
  if (values.clientCredentialsArn !== undefined) checkArn(values.clientCredentialsArn, parsing);
  return {
    ...base,
    grantType: 'AUTHORIZATION_CODE',
    handOver: handOverOf('AUTHORIZATION_CODE', parsing),
    clientId: required('clientId', parsing),
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
  key: 'clientId' | 'username' | 'clientCredentialsArn',
  { values, problems }: Parsing,
  check?: (value: string) => void,
): string {
  const value = values[key];
  if (value !== undefined) check?.(value);
  else if (!problems.mention(key)) problems.add(`${key} is missing`);
  return value ?? '';
}

function signingKey(
  inSecret: 'privateKey' | 'nextPrivateKey',
  inKms: 'kmsKeyId' | 'nextKmsKeyId',
  { values, problems, keys }: Parsing,
): SigningKey | undefined {
  const pemText = values[inSecret];
  const keyId = values[inKms];
  if (pemText !== undefined && keyId !== undefined) problems.add(`only one of ${inSecret} and ${inKms} may be given`);
  if (pemText !== undefined) {
    const boxed = new Redacted(pemText);
    const problem = keys.privateKeyProblem(boxed);
    if (problem !== undefined) problems.addUnusable(inSecret, problem);
    return { pem: boxed };
  }
  return keyId === undefined ? undefined : { kmsKeyId: keyId };
}

function loginUrlOf({ values: { loginUrl: given }, problems, rules }: Parsing): string {
  if (given === undefined) {
    const standard = 'https://login.salesforce.com';
    if (!isListedHost(standard, rules.loginHosts))
      problems.add(`loginUrl is not given, and ${standard} is not one of LOGIN_HOSTS`, 'LOGIN_HOST_REFUSED');
    return standard;
  }
  const url = URL.parse(given);
  if (url === null || url.href !== `${url.origin}/`) {
    problems.add('loginUrl is not an origin such as https://example.my.salesforce.com, without path or query');
    return given;
  }
  if (!isListedHost(url.origin, rules.loginHosts)) {
    // The address bar shows these.
    const isPage = /\.(?:force|salesforce-setup|salesforce-sites|visualforce)\.com$|\.my\.site\.com$/.test(
      url.hostname,
    );
    const instead = isPage ? ' and is a host of pages: where the org logs in ends in .my.salesforce.com' : '';
    problems.add(
      `loginUrl is not one of LOGIN_HOSTS (${enumerated(rules.loginHosts)})${instead}`,
      'LOGIN_HOST_REFUSED',
    );
  }
  return url.origin;
}

function checkArn(arn: string, { problems, rules }: Parsing): void {
  const problem = violation('clientCredentialsArn', arn);
  // arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-RANDOM. Messages and commands in hints repeat it, so it is a name and no prose.
  const secretName = /^arn:aws:secretsmanager:[a-z0-9-]{1,40}:\d{12}:secret:([A-Za-z0-9/_+=.@-]{1,519})$/.exec(
    arn,
  )?.[1];
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
