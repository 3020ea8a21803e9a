import { describe, expect, it } from 'vitest';
import { hostEntry, isListedHost } from '../../../functions/core/connection/listed-hosts.ts';
import { parseConnection } from '../../../functions/core/connection/parse-connection.ts';
import { listedTargets, targetsOf } from '../../../functions/core/connection/target.ts';
import { Redacted } from '../../../functions/core/redacted.ts';
import { estate } from '../../support/estate.ts';
import { thrownBy } from '../../support/rules.ts';

const RULES = {
  secretPrefix: 'appflow-token-refresher/',
  loginHosts: ['login.salesforce.com', '*.my.salesforce.com'],
  clientSecretPrefix: 'appflow-client-credentials/',
};
const ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:appflow-client-credentials/sf-AbCdEf';
const JWT = { grantType: 'JWT_BEARER', clientId: 'c', username: 'u', privateKey: 'PEM' };
const CODE = { grantType: 'AUTHORIZATION_CODE', clientId: 'c', refreshToken: 'r' };
const CLIENT = { grantType: 'CLIENT_CREDENTIALS', clientCredentialsArn: ARN };
const sound = { privateKeyProblem: () => undefined, certificateIn: () => ({ pem: 'CERT' }) };
const parse = (value: object, keys: Parameters<typeof parseConnection>[3] = sound, rules = RULES) =>
  parseConnection('sf-eu', new Redacted(JSON.stringify(value)), rules, keys);
const refusal = (...given: Parameters<typeof parse>) => thrownBy(() => parse(...given));

describe('what is said of a secret that is wrong', () => {
  it.each([
    [
      { ...JWT, handOver: 'CLIENT_CREDENTIALS_ARN' },
      'handOver CLIENT_CREDENTIALS_ARN is not possible for JWT_BEARER, which takes JWT or ACCESS_TOKEN.',
    ],
    [{ ...CODE, username: 'u' }, 'username is not a key of AUTHORIZATION_CODE but of JWT_BEARER.'],
    [
      { ...CLIENT, clientId: 'c' },
      'clientId is not a key of CLIENT_CREDENTIALS but of JWT_BEARER and AUTHORIZATION_CODE.',
    ],
    [{ ...JWT, privateKey: undefined, kmsKeyId: 'x'.repeat(2_049) }, 'kmsKeyId is longer than 2048 characters.'],
    [
      { ...JWT, privateKey: undefined, kmsKeyId: 'alias/sf!' },
      'kmsKeyId is not a key id, key ARN, alias or alias ARN of KMS.',
    ],
    [{ ...CODE, refreshToken: 'a b' }, 'refreshToken holds a space.'],
    [
      { ...CODE, refreshToken: undefined, oAuthRequest: { authCode: 'a b', redirectUri: 'https://a.example' } },
      'oAuthRequest.authCode holds a space.',
    ],
    [{ ...JWT, privateKey: 5 }, 'privateKey must be a string.'],
    [{ ...JWT, privateKey: undefined, kmsKeyId: 5 }, 'kmsKeyId must be a string.'],
    [{ ...JWT, privateKey: undefined }, 'one of privateKey and kmsKeyId is required.'],
    [{ ...CODE, refreshToken: 5 }, 'refreshToken must be a string.'],
    [{ ...CODE, refreshToken: undefined }, 'one of refreshToken and oAuthRequest is required.'],
    [{ ...CLIENT, clientCredentialsArn: 5 }, 'clientCredentialsArn must be a string.'],
    [
      { ...CLIENT, loginUrl: 'https://evil.example' },
      'loginUrl is not one of LOGIN_HOSTS (login.salesforce.com, *.my.salesforce.com).',
    ],
    [
      { ...CODE, refreshToken: undefined, oAuthRequest: { authCode: 5, redirectUri: 'https://a.example' } },
      'oAuthRequest.authCode must be a string.',
    ],
    [
      { ...CODE, refreshToken: undefined, oAuthRequest: { authCode: 'c', redirectUri: 5 } },
      'oAuthRequest.redirectUri must be a string.',
    ],
    [{ ...CODE, refreshToken: undefined, oAuthRequest: { authCode: 'c' } }, 'oAuthRequest.redirectUri is missing.'],
  ])('is said once and whole: %j', (value, message) => {
    expect(refusal(value).message).toBe(message);
  });

  it('says in its hint what to do about a key or certificate', () => {
    const keys = { ...sound, privateKeyProblem: () => ({ says: 'is broken', cure: 'Mend it: mend KEY.pem' }) };
    expect(refusal(JWT, keys)).toMatchObject({
      code: 'KEY_UNUSABLE',
      message: 'privateKey is broken.',
      hint: 'Correct the secret appflow-token-refresher/sf-eu: one thing is wrong with it. Mend it: mend KEY.pem',
    });
    expect(refusal({ ...JWT, nextPrivateKey: 'NEXT' }, keys).hint).toBe(
      'Correct the secret appflow-token-refresher/sf-eu: 2 things are wrong with it. Mend it: mend KEY.pem',
    );
  });

  it('counts what is wrong in its hint', () => {
    expect(refusal({ ...JWT, username: 5 }).hint).toBe(
      'Correct the secret appflow-token-refresher/sf-eu: one thing is wrong with it.',
    );
    expect(refusal({ ...JWT, username: 5, clientId: 5 }).hint).toBe(
      'Correct the secret appflow-token-refresher/sf-eu: 2 things are wrong with it.',
    );
  });

  it('names the setting where only the host is wrong', () => {
    expect(refusal({ ...CLIENT, loginUrl: 'https://evil.example' })).toMatchObject({
      code: 'LOGIN_HOST_REFUSED',
      hint: 'Correct loginUrl in appflow-token-refresher/sf-eu, or add its host to LOGIN_HOSTS of the functions if it is yours.',
    });
    expect(refusal(CLIENT, sound, { ...RULES, loginHosts: [] })).toMatchObject({
      code: 'LOGIN_HOST_REFUSED',
      message: 'loginUrl is not given, and https://login.salesforce.com is not one of LOGIN_HOSTS.',
    });
  });

  it('takes nothing that follows an ARN for part of it', () => {
    expect(refusal({ ...CLIENT, clientCredentialsArn: `${ARN}\u2028` }).code).toMatch(
      /^(SECRET_MALFORMED|CONSTRAINT_VIOLATED)$/,
    );
  });
});

it('a certificate is held against the keys that can be used, and against no others', () => {
  const held: string[][] = [];
  const keys = {
    privateKeyProblem: (pem: Redacted) =>
      pem.reveal() === 'broken' ? { says: 'is broken', cure: 'Mend it.' } : undefined,
    certificateIn: (_: Redacted, pems: readonly Redacted[]) => {
      held.push(pems.map((pem) => pem.reveal()));
      return { pem: 'CERT' };
    },
  };
  parse({ ...JWT, nextPrivateKey: 'NEXT', certificate: 'CERT' }, keys);
  parse({ ...JWT, nextKmsKeyId: 'alias/next', certificate: 'CERT' }, keys);
  expect(refusal({ ...JWT, privateKey: 'broken', nextPrivateKey: 'NEXT', certificate: 'CERT' }, keys).message).toBe(
    'privateKey is broken.',
  );
  expect(held).toEqual([['PEM', 'NEXT'], ['PEM'], ['NEXT']]);
});

describe('an entry of LOGIN_HOSTS', () => {
  it('names a port that there is', () => {
    expect(hostEntry('http://localhost:65535')).toBeDefined();
    expect(hostEntry('http://localhost:65536')).toBeUndefined();
  });

  it.each(['a.b.example.com', '*.x.example.com', 'login.example.c'])('may have labels of one letter: %s', (entry) => {
    expect(hostEntry(entry)).toBeDefined();
  });

  it.each(['xhttp://localhost:*', 'http://localhost:*x'])('is nothing but an entry: %s', (entry) => {
    expect(hostEntry(entry)).toBeUndefined();
    expect(isListedHost('http://localhost:8080', [entry])).toBe(false);
  });

  it('with port 80 admits an origin that leaves it out', () => {
    expect(isListedHost('http://localhost', ['http://localhost:80'])).toBe(true);
    expect(isListedHost('http://localhost:81', ['http://localhost:80'])).toBe(false);
  });
});

describe('the connections of a listing', () => {
  const rules = { secretPrefix: 'appflow-token-refresher/', refreshIntervalSeconds: 3_600 };

  it('are those whose tags can be read; the others are named', async () => {
    const here = estate();
    here.add('one');
    here.add('wrong', { tags: { 'refresh-interval-seconds': 'soon' } });
    const { targets, faulty } = targetsOf([...here.listed.values()], rules);
    expect(targets.map(({ connection }) => connection)).toEqual(['one']);
    expect(faulty).toMatchObject([{ connection: 'wrong', error: { code: 'SECRET_MALFORMED' } }]);
    await expect(listedTargets(here.context)).resolves.toEqual(targets);
  });

  it('are not listed past a bug of ours', () => {
    const bug = new TypeError('x');
    const tags = new Map<string, string>();
    tags.get = () => {
      throw bug;
    };
    const here = estate();
    here.add('one');
    const [secret] = here.listed.values();
    if (secret === undefined) throw new Error('There is none.');
    expect(() => targetsOf([{ ...secret, tags }], rules)).toThrow(bug);
  });
});
