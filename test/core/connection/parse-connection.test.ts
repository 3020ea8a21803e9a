import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { certificateIn } from '../../../functions/adapters/key-material.ts';
import { privateKeyProblem } from '../../../functions/adapters/signer.ts';
import type { ConnectionRules } from '../../../functions/core/connection/connection.ts';
import { parseConnection } from '../../../functions/core/connection/parse-connection.ts';
import { intervalOf } from '../../../functions/core/connection/target.ts';
import { Redacted } from '../../../functions/core/redacted.ts';
import { everythingSaidBy, marker, thrownBy } from '../../support/rules.ts';

const rules: ConnectionRules = {
  secretPrefix: 'appflow-token-refresher/',
  loginHosts: ['login.salesforce.com', 'test.salesforce.com', '*.my.salesforce.com'],
  clientSecretPrefix: 'appflow-client-credentials/',
};
const keys = { privateKeyProblem, certificateIn };

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pemOf = (key: KeyObject, type: 'pkcs1' | 'pkcs8' = 'pkcs8') => key.export({ type, format: 'pem' }).toString();
const PEM = pemOf(privateKey);
const ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:appflow-client-credentials/sf-prod-AbCdEf';

/** Self-signed certificates, public as all are; their private keys were thrown away. */
const RSA_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIDBDCCAeygAwIBAgIBATANBgkqhkiG9w0BAQsFADAbMRkwFwYDVQQDDBBhcHBm
bG93LXRlc3Qtb25lMB4XDTI2MTEyNDA4MDIxNFoXDTM2MTEyMTA4MDIxNFowGzEZ
MBcGA1UEAwwQYXBwZmxvdy10ZXN0LW9uZTCCASIwDQYJKoZIhvcNAQEBBQADggEP
ADCCAQoCggEBAK4TFdfRAVCUimEfu/8V9Tk98FrOXktA5SleOS6GcMMke5D7CdPU
VOeOgsFpxipaRlrnLzW8QNAieghDkBRvl0AuVn+b5fmOfJwYMqN/DrJqqBaBPs46
5tZyXPgaMJ3SLlPr8E2XIS26SQicjPmsTYuJgoLOPDNOS72jkkS7Fc1LYVVDfIxN
F3Hg7bbSFi3rqgRow8sVpdQEiDko8nM/KSfDqCLs2YorJduuSrR81nDkLD+3zviN
tI+BLR0YRkgZltBlnUmkigJ5+hBfYS/JGc7+2CVO+tcJ4SVSv8Z5pMOaTymdANwb
rdfzAJ6DWiMAUDc6ujX7ofhtUQ/uLSHQF0ECAwEAAaNTMFEwHQYDVR0OBBYEFCXv
EK/eUdfMW9gjS0KSXVo0q9ooMB8GA1UdIwQYMBaAFCXvEK/eUdfMW9gjS0KSXVo0
q9ooMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADggEBADBoroMhUPU/
uFZ+6KMudm2mn3yYonuf+yWXgaLH4dNwKtxCeCl3keVAq/TCc4q/uUogfqG5uCgX
l81LwMiO7mPkqqVWPPcv9ZzuQyjRL9bBv90075JfsdJD7mC+0jEJ/MFiXRPKkmsP
PxmtdTGs5+A/b3fh7kzfchAdrXuQ86rA+td2lktNSM+TfjQ0ptHN6myrRXQC6Cqn
lO/5y8rMPRXRdui+oyTMtT1j5x3sIvctbdv/rwz5R9y5u8kjl4pIEg65mT8QUEgz
7EFwq3nL4uj62DkP4ZXMsv9oF7d7brM04lm20VcUgMQEmbOyo8QrC20Q3uPf7QYN
GtyR1GxjYso=
-----END CERTIFICATE-----
`;
const EC_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBeDCCAR6gAwIBAgIBAjAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBBhcHBmbG93
LXRlc3QtdHdvMB4XDTI2MTEyNDA4MDIxNFoXDTM2MTEyMTA4MDIxNFowGzEZMBcG
A1UEAwwQYXBwZmxvdy10ZXN0LXR3bzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BMt082PZQzPVkyRinn5/Mtf16fQdnOJLFOM3VFw3YlsVzXCQRgarYi+h1k5EV/gn
B25VJFlJ0OJj9IQBZhaf2kKjUzBRMB0GA1UdDgQWBBTw52vEmZki2sl2XT2LkH45
gMdN0jAfBgNVHSMEGDAWgBTw52vEmZki2sl2XT2LkH45gMdN0jAPBgNVHRMBAf8E
BTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDIAcBAJ5MkNZIw9wvMoCJZbkzuc3BJ
DyqeZG6uqpJ48wIgesWxt9vN38y1+Dg2mPvxDYxroISxpK21C3zwjND0o9Q=
-----END CERTIFICATE-----
`;

/** The RSA certificate with another public key written over its own; its signature is then wrong, which nobody here looks at. */
function certificateOf(key: KeyObject): string {
  const der = Buffer.from(RSA_CERTIFICATE.replace(/-----[A-Z ]+-----|\n/g, ''), 'base64');
  const spki = key.export({ type: 'spki', format: 'der' });
  const start = der.indexOf(spki.subarray(0, 33));
  if (start < 0) throw new Error('The certificate holds no key of that size.');
  spki.copy(der, start);
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

/** Complete secrets, as small as they can be. */
const SMALLEST = {
  JWT_BEARER: { grantType: 'JWT_BEARER', clientId: '3MVG9.id', username: 'ann@example.com', privateKey: PEM },
  AUTHORIZATION_CODE: { grantType: 'AUTHORIZATION_CODE', clientId: '3MVG9.id', refreshToken: '5Aep861.token' },
  CLIENT_CREDENTIALS: { grantType: 'CLIENT_CREDENTIALS', clientCredentialsArn: ARN },
} as const;
type Grant = keyof typeof SMALLEST;
const GRANTS = ['JWT_BEARER', 'AUTHORIZATION_CODE', 'CLIENT_CREDENTIALS'] as const satisfies readonly Grant[];

/** The contract's keys, each with its grants and a good value. */
const KEYS: Readonly<Record<string, { readonly grants: readonly Grant[]; readonly value: unknown }>> = {
  grantType: { grants: GRANTS, value: 'JWT_BEARER' },
  loginUrl: { grants: GRANTS, value: 'https://acme.my.salesforce.com' },
  handOver: { grants: GRANTS, value: 'ACCESS_TOKEN' },
  clientId: { grants: ['JWT_BEARER', 'AUTHORIZATION_CODE'], value: '3MVG9.id' },
  clientSecret: { grants: ['AUTHORIZATION_CODE'], value: 'a secret' },
  username: { grants: ['JWT_BEARER'], value: 'zoë~o@example.com' },
  audience: { grants: ['JWT_BEARER'], value: 'https://community.example.com/x' },
  privateKey: { grants: ['JWT_BEARER'], value: PEM },
  kmsKeyId: { grants: ['JWT_BEARER'], value: 'alias/sf' },
  nextPrivateKey: { grants: ['JWT_BEARER'], value: PEM },
  nextKmsKeyId: {
    grants: ['JWT_BEARER'],
    value: 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  },
  certificate: { grants: ['JWT_BEARER'], value: certificateOf(publicKey) },
  lifetimeSeconds: { grants: ['JWT_BEARER'], value: 7_200 },
  refreshToken: { grants: ['AUTHORIZATION_CODE'], value: '5Aep861.token' },
  oAuthRequest: { grants: ['AUTHORIZATION_CODE'], value: { authCode: 'aPrx', redirectUri: 'https://example.com/cb' } },
  clientCredentialsArn: { grants: ['CLIENT_CREDENTIALS', 'AUTHORIZATION_CODE'], value: ARN },
};

function parse(value: unknown, given: ConnectionRules = rules) {
  return parseConnection(
    'sf-prod',
    new Redacted(typeof value === 'string' ? value : JSON.stringify(value)),
    given,
    keys,
  );
}

function refusal(value: unknown, given: ConnectionRules = rules) {
  return thrownBy(() => parse(value, given));
}

function without(object: object, ...keys: string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}

describe('a JWT_BEARER secret', () => {
  it('needs only grant, client, user and key, and defaults to a JWT for production', () => {
    const connection = parse(SMALLEST.JWT_BEARER);
    expect(connection).toEqual({
      name: 'sf-prod',
      connectorProfileName: 'sf-prod',
      grantType: 'JWT_BEARER',
      handOver: 'JWT',
      loginUrl: 'https://login.salesforce.com',
      clientId: '3MVG9.id',
      username: 'ann@example.com',
      audience: 'https://login.salesforce.com',
      key: { pem: expect.any(Redacted) },
      nextKey: undefined,
      certificate: undefined,
      lifetimeSeconds: undefined,
    });
    if (connection.grantType !== 'JWT_BEARER' || !('pem' in connection.key)) throw new Error('another key');
    expect(connection.key.pem.reveal()).toBe(PEM);
  });

  it('accepts every key that the contract lists for the grant', () => {
    const { value: certificate } = KEYS['certificate'] ?? {};
    expect(
      parse({
        ...SMALLEST.JWT_BEARER,
        loginUrl: 'https://acme.my.salesforce.com/',
        audience: 'https://community.example.com/x',
        handOver: 'JWT',
        nextKmsKeyId: 'alias/next',
        certificate,
        lifetimeSeconds: 7_200,
      }),
    ).toMatchObject({
      loginUrl: 'https://acme.my.salesforce.com',
      audience: 'https://community.example.com/x',
      nextKey: { kmsKeyId: 'alias/next' },
      certificate,
      lifetimeSeconds: 7_200,
    });
  });

  it('defaults to the login URL as audience', () => {
    const loginUrl = 'https://acme.my.salesforce.com';
    expect(parse({ ...SMALLEST.JWT_BEARER, loginUrl })).toMatchObject({ audience: loginUrl });
  });

  it('requires exactly one key and allows one next key', () => {
    expect(refusal(without(SMALLEST.JWT_BEARER, 'privateKey')).message).toBe(
      'one of privateKey and kmsKeyId is required.',
    );
    expect(refusal({ ...SMALLEST.JWT_BEARER, kmsKeyId: 'alias/sf' }).message).toBe(
      'only one of privateKey and kmsKeyId may be given.',
    );
    expect(refusal({ ...SMALLEST.JWT_BEARER, nextPrivateKey: PEM, nextKmsKeyId: 'alias/sf' }).message).toBe(
      'only one of nextPrivateKey and nextKmsKeyId may be given.',
    );
    expect(parse({ ...without(SMALLEST.JWT_BEARER, 'privateKey'), kmsKeyId: 'alias/sf' })).toMatchObject({
      key: { kmsKeyId: 'alias/sf' },
    });
    expect(parse({ ...SMALLEST.JWT_BEARER, nextPrivateKey: PEM })).toMatchObject({
      nextKey: { pem: expect.any(Redacted) },
    });
  });

  it.each([
    '1234abcd-12ab-34cd-56ef-1234567890ab',
    'mrk-1234abcd12ab34cd56ef1234567890ab',
    'alias/a_b-c/d',
    'arn:aws:kms:eu-west-1:123456789012:alias/x',
  ])('accepts %s as a KMS key', (kmsKeyId) => {
    expect(parse({ ...without(SMALLEST.JWT_BEARER, 'privateKey'), kmsKeyId })).toMatchObject({ key: { kmsKeyId } });
  });

  it.each([
    '',
    'two words',
    'alias/ü',
    `alias/${'x'.repeat(2_050)}`,
    // A consumer secret in the wrong place.
    'C0FFEE00'.repeat(8),
  ])('rejects %o as a KMS key', (kmsKeyId) => {
    expect(refusal({ ...without(SMALLEST.JWT_BEARER, 'privateKey'), kmsKeyId })).toMatchObject({
      code: 'SECRET_MALFORMED',
      message: expect.stringMatching(/^kmsKeyId /),
    });
  });

  it.each([0, -1, 1.5, '7200s', null, 86_401, 31_536_000, 1e300])('rejects a lifetime of %o', (lifetimeSeconds) => {
    expect(refusal({ ...SMALLEST.JWT_BEARER, lifetimeSeconds })).toMatchObject({
      code: 'SECRET_MALFORMED',
      message: expect.stringMatching(/^lifetimeSeconds must be/),
    });
  });

  it.each([1, 86_400])('accepts a lifetime of %i seconds', (lifetimeSeconds) => {
    expect(parse({ ...SMALLEST.JWT_BEARER, lifetimeSeconds })).toMatchObject({ lifetimeSeconds });
  });

  it('rejects lifetimeSeconds when handOver is ACCESS_TOKEN', () => {
    expect(refusal({ ...SMALLEST.JWT_BEARER, handOver: 'ACCESS_TOKEN', lifetimeSeconds: 7_200 }).message).toContain(
      'lifetimeSeconds',
    );
  });
});

describe('an AUTHORIZATION_CODE secret', () => {
  it('starts from a refresh token and defaults to handing over both tokens', () => {
    const connection = parse(SMALLEST.AUTHORIZATION_CODE);
    expect(connection).toEqual({
      name: 'sf-prod',
      connectorProfileName: 'sf-prod',
      grantType: 'AUTHORIZATION_CODE',
      handOver: 'ACCESS_AND_REFRESH_TOKEN',
      loginUrl: 'https://login.salesforce.com',
      clientId: '3MVG9.id',
      clientSecret: undefined,
      seed: { refreshToken: expect.any(Redacted) },
      clientCredentialsArn: undefined,
    });
    if (connection.grantType !== 'AUTHORIZATION_CODE' || !('refreshToken' in connection.seed))
      throw new Error('another seed');
    expect(connection.seed.refreshToken.reveal()).toBe('5Aep861.token');
  });

  it('can start from an authorization code, with a client secret and the ARN of one', () => {
    const oAuthRequest = { authCode: 'aPrx==', redirectUri: 'https://example.com/cb' };
    const connection = parse({
      ...without(SMALLEST.AUTHORIZATION_CODE, 'refreshToken'),
      oAuthRequest,
      clientSecret: 'sec ret',
      clientCredentialsArn: ARN,
    });
    expect(connection).toMatchObject({
      seed: { authCode: expect.any(Redacted), redirectUri: oAuthRequest.redirectUri },
      clientCredentialsArn: ARN,
    });
    if (connection.grantType !== 'AUTHORIZATION_CODE' || !('authCode' in connection.seed))
      throw new Error('another seed');
    expect([connection.seed.authCode.reveal(), connection.clientSecret?.reveal()]).toEqual(['aPrx==', 'sec ret']);
  });

  it('requires exactly one seed', () => {
    const oAuthRequest = { authCode: 'aPrx', redirectUri: 'https://example.com/cb' };
    expect(refusal({ ...SMALLEST.AUTHORIZATION_CODE, oAuthRequest }).message).toBe(
      'only one of refreshToken and oAuthRequest may be given.',
    );
    expect(refusal(without(SMALLEST.AUTHORIZATION_CODE, 'refreshToken')).message).toBe(
      'one of refreshToken and oAuthRequest is required.',
    );
  });

  it('is rejected when a part of its seed exceeds the limits of AppFlow', () => {
    const code = (authCode: string, redirectUri: string) => ({
      ...without(SMALLEST.AUTHORIZATION_CODE, 'refreshToken'),
      oAuthRequest: { authCode, redirectUri },
    });
    expect(refusal({ ...SMALLEST.AUTHORIZATION_CODE, refreshToken: 'x'.repeat(4097) })).toMatchObject({
      code: 'CONSTRAINT_VIOLATED',
      message: expect.stringMatching(/^refreshToken .*4096/),
    });
    expect(refusal(code('x'.repeat(4097), 'y'.repeat(513)))).toMatchObject({
      code: 'CONSTRAINT_VIOLATED',
      message: expect.stringMatching(/^oAuthRequest\.authCode .*4096; oAuthRequest\.redirectUri .*512\.$/),
    });
    expect(parse(code('x'.repeat(4096), 'y'.repeat(512)))).toMatchObject({ grantType: 'AUTHORIZATION_CODE' });
  });

  it.each([
    [{ authCode: 'aPrx' }],
    [{ redirectUri: 'https://example.com/cb' }],
    [{ authCode: 'aPrx', redirectUri: 'https://example.com/cb', state: 'x' }],
    [{ authCode: 1, redirectUri: 'https://example.com/cb' }],
    [{ authCode: 'a b', redirectUri: 'https://example.com/cb' }],
    ['aPrx'],
    [null],
    [[]],
  ])('rejects %o as oAuthRequest', (oAuthRequest) => {
    expect(refusal({ ...without(SMALLEST.AUTHORIZATION_CODE, 'refreshToken'), oAuthRequest })).toMatchObject({
      code: 'SECRET_MALFORMED',
      message: expect.stringMatching(/^oAuthRequest[ .]/),
    });
  });

  it('has the missing part of its oAuthRequest named', () => {
    const { message } = refusal({
      ...without(SMALLEST.AUTHORIZATION_CODE, 'refreshToken'),
      oAuthRequest: { authCode: 'aPrx' },
    });
    expect(message).toMatch(/oAuthRequest\.redirectUri is missing/);
  });

  it('has an empty refresh token reported once', () => {
    expect(refusal({ ...SMALLEST.AUTHORIZATION_CODE, refreshToken: '' }).message).toBe('refreshToken is empty.');
  });
});

describe('a CLIENT_CREDENTIALS secret', () => {
  it('requires the ARN of the secret that AppFlow reads, and defaults to handing it over', () => {
    expect(parse(SMALLEST.CLIENT_CREDENTIALS)).toEqual({
      name: 'sf-prod',
      connectorProfileName: 'sf-prod',
      grantType: 'CLIENT_CREDENTIALS',
      handOver: 'CLIENT_CREDENTIALS_ARN',
      loginUrl: 'https://login.salesforce.com',
      clientCredentialsArn: ARN,
    });
    expect(refusal({ grantType: 'CLIENT_CREDENTIALS' }).message).toBe('clientCredentialsArn is missing.');
  });

  it.each([
    [
      'arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:appflow-client-credentials/x-AbCdEf',
      'CONSTRAINT_VIOLATED',
      /partition/,
    ],
    ['arn:aws:iam::1:role', 'CONSTRAINT_VIOLATED', /no fewer than 20/],
    [`${ARN}${'x'.repeat(2_000)}`, 'CONSTRAINT_VIOLATED', /at most 2048/],
    [
      'arn:aws:secretsmanager:eu-west-1:123456789012:other:appflow-client-credentials/x',
      'SECRET_MALFORMED',
      /not the ARN of a secret/,
    ],
    [`x${ARN}`, 'CONSTRAINT_VIOLATED', /does not match AppFlow's pattern/],
    // Hints print the ARN within commands.
    [`${ARN} is locked. To unlock it, run: npx unlock`, 'SECRET_MALFORMED', /clientCredentialsArn holds/],
    [`${ARN}$(id)`, 'SECRET_MALFORMED', /not the ARN of a secret/],
    [`${ARN}'`, 'SECRET_MALFORMED', /not the ARN of a secret/],
    [`${ARN};id`, 'SECRET_MALFORMED', /not the ARN of a secret/],
    [`${ARN}\nx`, 'SECRET_MALFORMED', /clientCredentialsArn holds/],
    [`${ARN}\u202ex`, 'SECRET_MALFORMED', /clientCredentialsArn holds/],
    [
      'arn:aws:secretsmanager:eu-west-1:123456789012:secret:production/database-AbCdEf',
      'SECRET_MALFORMED',
      /named under appflow-client-credentials\//,
    ],
    [
      'arn:aws:secretsmanager:eu-west-1:123456789012:secret:x/appflow-client-credentials/x-AbCdEf',
      'SECRET_MALFORMED',
      /named under/,
    ],
  ])('rejects an ARN of anything but a secret under the prefix: %s', (clientCredentialsArn, code, message) => {
    expect(refusal({ grantType: 'CLIENT_CREDENTIALS', clientCredentialsArn })).toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(refusal({ ...SMALLEST.AUTHORIZATION_CODE, clientCredentialsArn })).toMatchObject({ code });
  });
});

describe('the hand-over of a connection', () => {
  const HAND_OVERS = ['JWT', 'ACCESS_TOKEN', 'ACCESS_AND_REFRESH_TOKEN', 'CLIENT_CREDENTIALS_ARN'];
  const POSSIBLE: Record<Grant, string[]> = {
    JWT_BEARER: ['JWT', 'ACCESS_TOKEN'],
    AUTHORIZATION_CODE: ['ACCESS_TOKEN', 'ACCESS_AND_REFRESH_TOKEN'],
    CLIENT_CREDENTIALS: ['ACCESS_TOKEN', 'CLIENT_CREDENTIALS_ARN'],
  };

  for (const grant of GRANTS) {
    for (const handOver of HAND_OVERS) {
      const isPossible = POSSIBLE[grant].includes(handOver);
      it(`${isPossible ? 'can' : 'cannot'} be ${handOver} for ${grant}`, () => {
        const secret = { ...SMALLEST[grant], handOver };
        if (isPossible) expect(parse(secret)).toMatchObject({ grantType: grant, handOver });
        else
          expect(refusal(secret)).toMatchObject({
            code: 'SECRET_MALFORMED',
            message: expect.stringMatching(new RegExp(`^handOver ${handOver} .*${grant}`)),
          });
      });
    }
  }

  it.each(['jwt', '', null, 1, ['JWT']])('cannot be %o', (handOver) => {
    expect(refusal({ ...SMALLEST.JWT_BEARER, handOver }).message).toMatch(/^handOver must be JWT, ACCESS_TOKEN, /);
  });
});

describe('checking the keys of a secret', () => {
  for (const [key, { grants, value }] of Object.entries(KEYS)) {
    if (key === 'grantType') continue;
    const [alternative] = [
      ['privateKey', 'kmsKeyId'],
      ['refreshToken', 'oAuthRequest'],
    ].filter((pair) => pair.includes(key));
    it.each(GRANTS)(`allows ${key} only for ${grants.join(' and ')}, tried with %s`, (grant) => {
      const secret = {
        ...without(SMALLEST[grant], ...(grants.includes(grant) ? (alternative ?? []) : [])),
        [key]: value,
      };
      if (grants.includes(grant)) expect(parse(secret)).toMatchObject({ grantType: grant });
      else
        expect(refusal(secret)).toMatchObject({
          code: 'SECRET_MALFORMED',
          message: expect.stringMatching(new RegExp(`^${key} is not a key of ${grant} but of `)),
        });
    });
  }

  it.each([
    ['JWT_BEARER', ['clientId', 'username']],
    ['AUTHORIZATION_CODE', ['clientId']],
    ['CLIENT_CREDENTIALS', ['clientCredentialsArn']],
  ] as const)('names each missing or empty key that %s requires', (grant, required) => {
    for (const key of required) expect(refusal(without(SMALLEST[grant], key)).message).toBe(`${key} is missing.`);
    for (const key of required) expect(refusal({ ...SMALLEST[grant], [key]: '' }).message).toContain(`${key} is empty`);
  });

  it.each([
    'clientID',
    'private_key',
    'tokens',
    'x',
    'grant-type',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
  ])('rejects the unknown key %s by name', (key) => {
    const secret = `${JSON.stringify(SMALLEST.JWT_BEARER).slice(0, -1)},${JSON.stringify(key)}:"value"}`;
    expect(refusal(secret)).toMatchObject({
      code: 'SECRET_MALFORMED',
      message: `${key} is not a key that a connection has.`,
    });
  });

  it.each([[undefined], ['jwt_bearer'], ['PASSWORD'], [null], [7], [['JWT_BEARER']]])(
    'rejects %o as grant type',
    (grantType) => {
      expect(refusal({ ...SMALLEST.JWT_BEARER, grantType })).toMatchObject({
        code: 'SECRET_MALFORMED',
        message: expect.stringMatching(
          /^grantType (is missing|must be JWT_BEARER, AUTHORIZATION_CODE or CLIENT_CREDENTIALS)\.$/,
        ),
      });
    },
  );

  /** Signs that nobody sees, with what each is called. */
  const UNSEEN: readonly (readonly [string, string])[] = [
    [' ', 'a space'],
    ['\t', 'a tab'],
    ['\n', 'a line break'],
    ['\r', 'a line break'],
    ['\r\n', 'a line break'],
    ['\u0085', 'a line break'],
    ['\u2028', 'a line break'],
    ['\u2029', 'a line break'],
    ['\u00a0', 'a space of another kind (U+00A0)'],
    ['\u2009', 'a space of another kind (U+2009)'],
    ['\u202f', 'a space of another kind (U+202F)'],
    ['\u3000', 'a space of another kind (U+3000)'],
    ['\u200b', 'an invisible character (U+200B)'],
    ['\u200d', 'an invisible character (U+200D)'],
    ['\u2060', 'an invisible character (U+2060)'],
    ['\ufeff', 'an invisible character (U+FEFF)'],
    ['\u00ad', 'an invisible character (U+00AD)'],
    ['\u200e', 'an invisible character (U+200E)'],
    ['\u202e', 'an invisible character (U+202E)'],
    ['\u2066', 'an invisible character (U+2066)'],
    ['\u3164', 'an invisible character (U+3164)'],
    ['\ufe0f', 'an invisible character (U+FE0F)'],
    ['\u{e0041}', 'an invisible character (U+E0041)'],
    ['\0', 'a control character (U+0000)'],
    ['\u001b', 'a control character (U+001B)'],
    ['\u007f', 'a control character (U+007F)'],
    ['\ufffd', 'a sign that stands for a lost character'],
    ['\ud800', 'a sign that stands for a lost character'],
    ['\ufffc', 'an invisible character (U+FFFC)'],
    ['\ue000', 'an invisible character (U+E000)'],
  ];
  /** What is copied along with a value, around it. */
  const STRAY: readonly (readonly [before: string, after: string, says: string])[] = [
    ['"', '"', 'stands in quotes of its own'],
    ["'", "'", 'stands in quotes of its own'],
    ['`', '`', 'stands in quotes of its own'],
    ['“', '”', 'stands in quotes of its own'],
    ['«', '»', 'stands in quotes of its own'],
    ['\\"', '\\"', 'stands in quotes of its own'],
    ['&quot;', '&quot;', 'stands in quotes of its own'],
    ['<', '>', 'is a placeholder that nothing has filled in'],
    ['${', '}', 'is a placeholder that nothing has filled in'],
    ['{{', '}}', 'is a placeholder that nothing has filled in'],
    ['', '\\n', 'ends with an escape, such as \\n, that was taken for text'],
    ['', '\\r\\n', 'ends with an escape, such as \\n, that was taken for text'],
    ['', '\\', 'ends with an escape, such as \\n, that was taken for text'],
    ['', ',', 'ends with a comma or semicolon'],
    ['', ';', 'ends with a comma or semicolon'],
  ];
  const VISIBLE = Object.entries(KEYS).filter(
    ([key, { value }]) => typeof value === 'string' && !['privateKey', 'nextPrivateKey', 'certificate'].includes(key),
  );

  it.each(VISIBLE)('names what nobody sees in %s, before it says anything else of it', (key, { grants, value }) => {
    const [grant = 'JWT_BEARER'] = grants;
    const alternative = { kmsKeyId: 'privateKey', refreshToken: 'oAuthRequest' }[key];
    const said = (changed: string) =>
      refusal({ ...without(SMALLEST[grant], ...(alternative === undefined ? [] : [alternative])), [key]: changed });
    const good = String(value);
    for (const [sign, name] of UNSEEN) {
      const expected = { code: 'SECRET_MALFORMED', hint: expect.stringContaining('appflow-token-refresher/sf-prod') };
      expect(said(`${sign}${good}`)).toMatchObject({ ...expected, message: `${key} begins with ${name}.` });
      expect(said(`${good}${sign}`)).toMatchObject({ ...expected, message: `${key} ends with ${name}.` });
      expect(said(`${sign}${good} `)).toMatchObject({
        ...expected,
        message: `${key} begins with ${name} and ends with a space.`,
      });
      if (key !== 'clientSecret' || sign !== ' ')
        expect(said(`${good.slice(0, 3)}${sign}${good.slice(3)}`)).toMatchObject({
          ...expected,
          message: `${key} holds ${name}.`,
        });
    }
  });

  it.each(VISIBLE)('names what was copied along with %s', (key, { grants, value }) => {
    const [grant = 'JWT_BEARER'] = grants;
    const alternative = { kmsKeyId: 'privateKey', refreshToken: 'oAuthRequest' }[key];
    const rest = without(SMALLEST[grant], ...(alternative === undefined ? [] : [alternative]));
    for (const [before, after, says] of STRAY)
      expect(refusal({ ...rest, [key]: `${before}${String(value)}${after}` })).toMatchObject({
        code: 'SECRET_MALFORMED',
        message: `${key} ${says}.`,
      });
  });

  it.each([
    [{ authCode: 'aPrx.y%3D%3D', redirectUri: 'https://a.example' }, /^oAuthRequest\.authCode is percent-encoded/],
    [{ authCode: 'aPrx', redirectUri: 'https%3a%2f%2fa.example' }, /^oAuthRequest\.redirectUri is percent-encoded/],
    [{ authCode: '"aPrx=="', redirectUri: 'https://a.example' }, /^oAuthRequest\.authCode stands in quotes/],
  ])('names a part of a seed that was copied out of an address or with its quotes: %j', (oAuthRequest, message) => {
    const error = refusal({ ...without(SMALLEST.AUTHORIZATION_CODE, 'refreshToken'), oAuthRequest });
    expect(error).toMatchObject({ code: 'SECRET_MALFORMED', message: expect.stringMatching(message) });
    expect(
      parse({
        ...without(SMALLEST.AUTHORIZATION_CODE, 'refreshToken'),
        oAuthRequest: { authCode: 'aPrx==', redirectUri: 'https://a.example/cb?to=x%3Dy' },
      }),
    ).toMatchObject({ seed: { redirectUri: 'https://a.example/cb?to=x%3Dy' } });
  });

  it('names what nobody sees in the parts of a seed', () => {
    const seeded = (oAuthRequest: unknown) =>
      refusal({ ...without(SMALLEST.AUTHORIZATION_CODE, 'refreshToken'), oAuthRequest }).message;
    expect(seeded({ authCode: 'aPrx==\n', redirectUri: '\u200bhttps://a.example' })).toBe(
      'oAuthRequest.authCode ends with a line break; oAuthRequest.redirectUri begins with an invisible character (U+200B).',
    );
  });

  it('names it together with all else that is wrong, within bounds', () => {
    const { message } = refusal({ ...SMALLEST.JWT_BEARER, clientId: 'x\n', username: ' ', audience: 7, tokens: 1 });
    expect(message).toBe(
      'clientId ends with a line break; username begins with a space; audience must be a string; tokens is not a key that a connection has.',
    );
    const long = refusal({
      ...SMALLEST.JWT_BEARER,
      clientId: `${'x'.repeat(60_000)}\n`,
      username: '\u200b'.repeat(1_000),
    });
    expect(long.message).toBe(
      'clientId ends with a line break; username begins with an invisible character (U+200B) and ends with an invisible character (U+200B).',
    );
  });

  it('leaves visible signs of any script alone', () => {
    const username = 'zoë.größe+τεστ-测试@пример.example';
    expect(parse({ ...SMALLEST.JWT_BEARER, username })).toMatchObject({ username });
    expect(parse({ ...SMALLEST.AUTHORIZATION_CODE, clientSecret: 'a b' })).toMatchObject({
      grantType: 'AUTHORIZATION_CODE',
    });
  });

  it.each([
    ' clientId',
    'clientId ',
    '\ufeffclientId',
    'clientId\u200b',
    'clientId\n',
    '\tclientId',
    'clientId\u00a0',
    '\u00adclientId',
  ])('says that the name of a key has something around it: %j', (key) => {
    expect(refusal({ ...SMALLEST.JWT_BEARER, [key]: 'x' }).message).toBe(
      'the name of the key clientId has white space or an invisible character around it.',
    );
  });

  it('takes the strings that the form of keys and values in the console makes of a number and of an object', () => {
    expect(parse({ ...SMALLEST.JWT_BEARER, lifetimeSeconds: '7200' })).toMatchObject({ lifetimeSeconds: 7_200 });
    expect(refusal({ ...SMALLEST.JWT_BEARER, lifetimeSeconds: '7200 s' }).message).toContain('lifetimeSeconds');
    const oAuthRequest = JSON.stringify({ authCode: 'aPrx', redirectUri: 'https://a.example/cb' });
    expect(parse({ ...without(SMALLEST.AUTHORIZATION_CODE, 'refreshToken'), oAuthRequest })).toMatchObject({
      seed: { redirectUri: 'https://a.example/cb' },
    });
  });

  it.each([1, true, null, {}, []])('rejects %o where a string is required', (value) => {
    for (const key of ['loginUrl', 'clientId', 'username', 'audience', 'privateKey', 'certificate', 'nextKmsKeyId']) {
      expect(refusal({ ...SMALLEST.JWT_BEARER, [key]: value }).message).toContain(`${key} must be a string`);
    }
  });
});

describe('a secret with several problems', () => {
  it('names five of them, each once, in one error that counts the others', () => {
    const error = refusal({
      grantType: 'JWT_BEARER',
      handOver: 'CLIENT_CREDENTIALS_ARN',
      loginUrl: 'https://login.example.com',
      refreshToken: 'x',
      clientSecrett: 'x',
      username: 7,
      privateKey: 'nonsense',
      certificate: 'nonsense',
      nextKmsKeyId: 'no key',
      lifetimeSeconds: 0,
    });
    expect(error.code).toBe('SECRET_MALFORMED');
    const problems = error.message.replace(/ and 5 more\.$/, '').split('; ');
    expect(problems.map((problem) => problem.split(' ')[0]).sort()).toEqual(
      ['clientSecrett', 'lifetimeSeconds', 'nextKmsKeyId', 'refreshToken', 'username'].sort(),
    );
    expect(error.message).toMatch(/ and 5 more\.$/);
    expect(error.hint).toContain('appflow-token-refresher/sf-prod');
    expect(error.hint).toContain('10 things');
  });

  it('gets the code of the most serious one', () => {
    const bad = { loginUrl: 'https://login.example.com', privateKey: 'nonsense' };
    expect(refusal({ ...SMALLEST.JWT_BEARER, ...bad, username: 7 }).code).toBe('SECRET_MALFORMED');
    expect(refusal({ ...SMALLEST.JWT_BEARER, ...bad }).code).toBe('KEY_UNUSABLE');
    expect(refusal({ ...SMALLEST.JWT_BEARER, loginUrl: bad.loginUrl }).code).toBe('LOGIN_HOST_REFUSED');
    expect(
      refusal({ ...SMALLEST.AUTHORIZATION_CODE, loginUrl: bad.loginUrl, refreshToken: 'x'.repeat(5_000) }).code,
    ).toBe('LOGIN_HOST_REFUSED');
  });

  it('has a missing key reported even beside an unknown key that starts with its name', () => {
    expect(refusal({ ...without(SMALLEST.JWT_BEARER, 'clientId'), 'clientId.old': 'x' }).message).toContain(
      'clientId is missing',
    );
  });
});

describe('the text of a secret', () => {
  it.each([
    ['', 'the value is empty.'],
    ['\ufeff \n', 'the value is empty.'],
    ['null', 'the value is not a JSON object.'],
    ['"JWT_BEARER"', 'the value is not a JSON object.'],
    ['[{}]', 'the value is not a JSON object.'],
    ['7', 'the value is not a JSON object.'],
  ])('is rejected unless it is a JSON object: %s', (text, message) => {
    expect(refusal(text)).toMatchObject({ code: 'SECRET_MALFORMED', message });
  });

  const SECRET = JSON.stringify(SMALLEST.JWT_BEARER);
  const PRETTY = JSON.stringify(SMALLEST.JWT_BEARER, null, 2);

  it.each([
    ['a byte order mark', `\ufeff${SECRET}`],
    ['two of them', `\ufeff\ufeff${SECRET}`],
    ['the bytes of one, each read as a character', `\u00ef\u00bb\u00bf${SECRET}`],
    ['a byte order mark and a line break', `\ufeff\r\n${SECRET}\r\n`],
    ['white space', `\n\t ${SECRET} \n`],
    ['no-break spaces', `\u00a0${SECRET}\u00a0`],
    ['zero-width spaces', `\u200b${SECRET}\u200d`],
    ['bidi marks', `\u202a${SECRET}\u202c`],
    ['a NUL at the end', `${SECRET}\0`],
    ['a line separator', `${SECRET}\u2028`],
    ['CRLF within', PRETTY.replaceAll('\n', '\r\n')],
    ['quotes of a string of JSON', JSON.stringify(SECRET)],
    ['quotes of a string of JSON, twice', JSON.stringify(JSON.stringify(PRETTY))],
    ['quotes and a byte order mark', `\ufeff${JSON.stringify(`\ufeff${SECRET}`)}\n`],
  ])('is read with this around it: %s', (_, text) => {
    expect(parse(text)).toMatchObject({ username: 'ann@example.com' });
  });

  it.each([
    ['{', 'its closing brace is missing, or something stands after it'],
    [`${SECRET}\nEOF`, 'its closing brace is missing, or something stands after it'],
    [SECRET.replaceAll('"', "'"), 'its quotes are single; JSON has double ones'],
    [SECRET.replaceAll('"', '“'), 'its quotes are curly, as word processors make them'],
    [SECRET.replaceAll('"', '\\"'), 'its quotes have backslashes before them'],
    [SECRET.replaceAll('"', ''), 'its keys have no quotes: a shell may have taken them away'],
    [SECRET.replaceAll('\\n', '\n'), 'a string in it holds a line break or tab, which JSON writes as \\n or \\t'],
    [SECRET.replace(/}$/, ',}'), 'a comma stands before a closing brace'],
    [SECRET.replace('{', '{ // sandbox\n'), 'it holds comments'],
    [Buffer.from(SECRET).toString('base64'), 'it is in base64; store the JSON itself'],
    ['grantType: JWT_BEARER\nclientId: x', 'it is YAML'],
    ['---\ngrantType: JWT_BEARER', 'it is YAML'],
    ['GRANT_TYPE=JWT_BEARER', 'it is a list of NAME=value'],
    ['<secret/>', 'it is XML or HTML'],
    ...['file://secret.json', './secret.json', '/tmp/s.json', '@secret.json', 'secret.json', 'C:\\x\\s.json'].map(
      (text): [string, string] => [text, 'it is the name of a file, and not what is in it'],
    ),
    [Buffer.from(SECRET, 'utf16le').toString('latin1'), 'it is in UTF-16, and was stored as if it were UTF-8'],
    ['grantType = JWT_BEARER', 'it is a list of NAME=value'],
    ['export GRANT_TYPE=JWT_BEARER', 'it is a list of NAME=value'],
    ['[prod]\ngrantType=JWT_BEARER', 'it is a list of NAME=value'],
    ['{\n  grantType = "JWT_BEARER"\n}', 'its keys have = after them; JSON has colons'],
    [SECRET.slice(1, -1), 'its opening brace is missing'],
    [`'${SECRET}'`, 'it stands in quotes, as of a shell'],
    [`${SECRET}}`, 'its closing brace is missing, or something stands after it'],
    [SECRET.replace('"username"', "'username'"), 'some of its quotes are single; JSON has double ones'],
    [SECRET.replace('"username"', '“username”'), 'some of its quotes are curly, as word processors make them'],
    [
      PRETTY.replaceAll('  ', '\u00a0 '),
      'it holds white space of another kind or an invisible character between its keys',
    ],
    [PEM, 'it is PEM alone, which belongs into the key privateKey of an object'],
  ])('is called what it is where it is not JSON: %#', (text, why) => {
    for (const given of [text, `\ufeff${text}`]) expect(refusal(given).message).toBe(`the value is not JSON: ${why}.`);
  });

  // Work that grows with the square of its length would take this test beyond its time.
  it('is called malformed however long it is and whatever it is made of', () => {
    for (const unit of ['"', '\\', '"\\', ' ', '\u200b', ',', '{', '{"', '/*', '# ', 'a=', '“', "{'"]) {
      for (const text of [
        unit.repeat(60_000 / unit.length),
        `{${unit.repeat(50_000 / unit.length)}`,
        `{"a":1}${unit.repeat(50_000 / unit.length)}x`,
      ]) {
        if (Buffer.byteLength(text) <= 65_536) expect(refusal(text).code).toBe('SECRET_MALFORMED');
      }
    }
  });

  it('with thousands of keys that nobody knows is answered in at most 1,000 characters', () => {
    for (const key of [
      (n: number) => `key${n}`,
      (n: number) => `\u200bx${n}`,
      (n: number) => `clientId${' '.repeat(n % 50)}${n}`,
    ]) {
      const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [key(n), 'some value']));
      const text = JSON.stringify({ ...SMALLEST.JWT_BEARER, ...many });
      expect(Buffer.byteLength(text)).toBeGreaterThan(55_000);
      const { message, hint } = refusal(text.slice(0, -1).concat('}'));
      expect(message.length).toBeLessThanOrEqual(1_000);
      expect(message).toContain(' more');
      expect(hint.length).toBeLessThanOrEqual(500);
    }
  });

  it('is rejected even when it nests thousands of levels deep', () => {
    expect(refusal('['.repeat(60_000)).code).toBe('SECRET_MALFORMED');
    expect(refusal(`${'['.repeat(30_000)}${']'.repeat(30_000)}`).code).toBe('SECRET_MALFORMED');
    expect(refusal(`${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}`).code).toBe('SECRET_MALFORMED');
  });

  it('is rejected when it has more UTF-8 bytes than a secret can hold', () => {
    const sized = (bytes: number, filler: string) => {
      const start = JSON.stringify({ ...SMALLEST.JWT_BEARER, audience: '' }).slice(0, -2);
      const rest = bytes - start.length - 2;
      return `${start}${filler.repeat(Math.floor(rest / Buffer.byteLength(filler)))}${'x'.repeat(rest % Buffer.byteLength(filler))}"}`;
    };
    for (const filler of ['x', 'é', '😀']) {
      expect(parse(sized(65_536, filler))).toMatchObject({ grantType: 'JWT_BEARER' });
      expect(refusal(sized(65_537, filler)).message).toBe('the value has more than 65536 bytes.');
    }
  });
});

describe('the login URL', () => {
  it.each([
    ['https://login.salesforce.com', 'https://login.salesforce.com'],
    ['https://test.salesforce.com/', 'https://test.salesforce.com'],
    ['https://ACME--dev.sandbox.my.salesforce.com', 'https://acme--dev.sandbox.my.salesforce.com'],
    ['https://login.salesforce.com:443', 'https://login.salesforce.com'],
  ])('is normalised from %s to %s', (loginUrl, origin) => {
    expect(parse({ ...SMALLEST.JWT_BEARER, loginUrl })).toMatchObject({ loginUrl: origin, audience: origin });
  });

  it.each([
    'https://login.example.com',
    'http://login.salesforce.com',
    'https://login.salesforce.com:8443',
    'https://login.salesforce.com.',
    'https://login.salesforce.com.evil.com',
  ])('is refused together with what LOGIN_HOSTS admits: %s', (loginUrl) => {
    const error = refusal({ ...SMALLEST.JWT_BEARER, loginUrl });
    expect(error).toMatchObject({
      code: 'LOGIN_HOST_REFUSED',
      message: expect.stringContaining('*.my.salesforce.com'),
      hint: expect.stringContaining('LOGIN_HOSTS'),
    });
  });

  it.each([
    'https://acme.lightning.force.com',
    'https://acme--dev.sandbox.lightning.force.com',
    'https://acme.my.salesforce-setup.com',
    'https://acme--c.vf.force.com',
    'https://acme.my.site.com',
  ])('is told from the host of pages that the address bar shows: %s', (loginUrl) => {
    expect(refusal({ ...SMALLEST.JWT_BEARER, loginUrl })).toMatchObject({
      code: 'LOGIN_HOST_REFUSED',
      message: expect.stringContaining('is a host of pages: where the org logs in ends in .my.salesforce.com'),
    });
  });

  it.each([
    'login.salesforce.com',
    '',
    'https://',
    'https://login.salesforce.com/services/oauth2/token',
    'https://login.salesforce.com?x',
    'https://login.salesforce.com#x',
    'https://user:pw@login.salesforce.com',
    'https://login.salesforce.com@evil.com',
    'blob:https://login.salesforce.com/',
    'javascript:alert(1)',
  ])('is rejected unless it is an origin: %s', (loginUrl) => {
    expect(refusal({ ...SMALLEST.JWT_BEARER, loginUrl })).toMatchObject({
      code: 'SECRET_MALFORMED',
      message: expect.stringMatching(/^loginUrl /),
    });
  });

  it('is required when LOGIN_HOSTS does not admit the default', () => {
    const error = refusal(SMALLEST.JWT_BEARER, { ...rules, loginHosts: ['*.my.salesforce.com'] });
    expect(error).toMatchObject({
      code: 'LOGIN_HOST_REFUSED',
      message: expect.stringContaining('https://login.salesforce.com'),
    });
  });

  it('can be a local service when LOGIN_HOSTS admits it', () => {
    const local = { ...rules, loginHosts: ['http://127.0.0.1:*'] };
    expect(parse({ ...SMALLEST.JWT_BEARER, loginUrl: 'http://127.0.0.1:8123' }, local)).toMatchObject({
      loginUrl: 'http://127.0.0.1:8123',
    });
  });
});

describe('checking the keys and the certificate of a secret', () => {
  const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
  const locked = { cipher: 'aes-256-cbc', passphrase: 'open sesame', format: 'pem' } as const;

  it.each([
    ['an elliptic curve key', pemOf(elliptic), /type ec/],
    ['RSA of 1024 bits', pemOf(short), /1024 bits.*2048/],
    ['RSA of 1024 bits in PKCS#1', pemOf(short, 'pkcs1'), /1024 bits.*2048/],
    ['an encrypted PKCS#8', privateKey.export({ ...locked, type: 'pkcs8' }).toString(), /encrypted with a passphrase/],
    ['an encrypted PKCS#1', privateKey.export({ ...locked, type: 'pkcs1' }).toString(), /encrypted with a passphrase/],
    ['a certificate', RSA_CERTIFICATE, /is a certificate/],
    ['a public key', publicKey.export({ type: 'spki', format: 'pem' }).toString(), /is a public key/],
    ['garbage', 'correct horse battery staple', /is no PEM/],
    ['garbage in base64', Buffer.from('correct horse battery staple').toString('base64'), /is no PEM/],
  ])('names the kind of an unusable key: %s', (_what, pem, problem) => {
    for (const key of ['privateKey', 'nextPrivateKey'] as const) {
      const error = refusal({ ...SMALLEST.JWT_BEARER, [key]: pem });
      expect(error).toMatchObject({ code: 'KEY_UNUSABLE', retryable: false, message: expect.stringMatching(problem) });
      expect(error.message).toMatch(new RegExp(`^${key} `));
      for (const line of pem.split('\n').filter(({ length }) => length >= 8))
        expect(everythingSaidBy(error)).not.toContain(line);
    }
  });

  it('rejects a certificate that belongs to neither key', () => {
    for (const certificate of [RSA_CERTIFICATE, EC_CERTIFICATE]) {
      const error = refusal({ ...SMALLEST.JWT_BEARER, certificate });
      expect(error).toMatchObject({
        code: 'KEY_UNUSABLE',
        message: 'certificate does not belong to privateKey or nextPrivateKey.',
      });
    }
  });

  it('accepts a certificate that belongs to either key', () => {
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const nextPrivateKey = pemOf(other.privateKey);
    expect(parse({ ...SMALLEST.JWT_BEARER, nextPrivateKey, certificate: certificateOf(publicKey) })).toMatchObject({
      grantType: 'JWT_BEARER',
    });
    expect(
      parse({ ...SMALLEST.JWT_BEARER, nextPrivateKey, certificate: certificateOf(other.publicKey) }),
    ).toMatchObject({ grantType: 'JWT_BEARER' });
    expect(refusal({ ...SMALLEST.JWT_BEARER, certificate: certificateOf(other.publicKey) }).code).toBe('KEY_UNUSABLE');
  });

  it('accepts any certificate when the key is in KMS', () => {
    const secret = { ...without(SMALLEST.JWT_BEARER, 'privateKey'), kmsKeyId: 'alias/sf' };
    expect(parse({ ...secret, certificate: EC_CERTIFICATE })).toMatchObject({ certificate: EC_CERTIFICATE });
  });

  it('rejects text that is not a certificate, even beside an unusable key', () => {
    expect(refusal({ ...SMALLEST.JWT_BEARER, certificate: PEM })).toMatchObject({
      code: 'KEY_UNUSABLE',
      message: 'certificate is no X.509 certificate in PEM: it is a private key.',
    });
    expect(refusal({ ...SMALLEST.JWT_BEARER, privateKey: 'x', certificate: 'x' }).message).toMatch(
      /^privateKey .*; certificate is no X\.509 certificate in PEM\.$/,
    );
  });
});

describe('an error about a secret', () => {
  const shapes = (text: string) =>
    fc.constantFrom<unknown>(
      text,
      [text],
      { [text]: text },
      { authCode: text },
      { authCode: [text], redirectUri: 7 },
      { authCode: `${text} x`, redirectUri: `${text} y` },
      { a: { b: [text] } },
      `${text}\n`,
      ` ${text}`,
      text.repeat(300),
      `https://${text}`,
      `https://${text}@login.salesforce.com/`,
      `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${text}`,
      `-----BEGIN PRIVATE KEY-----\n${text}\n-----END PRIVATE KEY-----`,
      `-----BEGIN ${text}-----\n-----END ${text}-----`,
    );
  const cases = marker.chain((text) =>
    fc.record({
      text: fc.constant(text),
      value: shapes(text),
      grant: fc.constantFrom(...GRANTS),
      more: fc.constantFrom({}, { username: 7 }, { nonsense: 1 }),
    }),
  );
  const isShown = [
    'loginUrl',
    'clientId',
    'username',
    'audience',
    'kmsKeyId',
    'nextKmsKeyId',
    'certificate',
    'clientCredentialsArn',
  ];

  it.each(Object.keys(KEYS))('never shows the value of %s, and neither does the parsed connection', (key) => {
    fc.assert(
      fc.property(cases, ({ text, value, grant, more }) => {
        const secret = { ...SMALLEST[grant], ...more, [key]: value };
        let connection: unknown;
        try {
          connection = parse(secret);
        } catch {
          expect(everythingSaidBy(refusal(secret)).toLowerCase()).not.toContain(text.toLowerCase());
          return;
        }
        if (isShown.includes(key) || key === 'oAuthRequest') return;
        expect(`${JSON.stringify(connection)}${inspect(connection, { depth: 9, showHidden: true })}`).not.toContain(
          text,
        );
      }),
      { numRuns: 150 },
    );
  });

  it('never shows the text of a secret that is not a JSON object', () => {
    fc.assert(
      fc.property(marker, fc.constantFrom('', '"', '{', '[', '{"privateKey": "', '{"a":1} '), (text, start) => {
        expect(everythingSaidBy(refusal(`${start}${text}`))).not.toContain(text);
        expect(everythingSaidBy(refusal(JSON.stringify(text)))).not.toContain(text);
      }),
    );
  });

  const pastedWrong = fc.oneof(
    fc
      .tuple(
        fc.constant('5Aep861'),
        fc.string({ unit: fc.constantFrom(...'abcXYZ019._'), minLength: 60, maxLength: 90 }),
      )
      .map(([a, b]) => a + b),
    fc
      .tuple(
        fc.constant('00D3X0000008aBc!AQ'),
        fc.string({ unit: fc.constantFrom(...'abcXYZ019._'), minLength: 10, maxLength: 90 }),
      )
      .map(([a, b]) => a + b),
    fc.string({ unit: fc.constantFrom(...'0123456789ABCDEF'), minLength: 64, maxLength: 64 }),
    fc.base64String({ minLength: 36, maxLength: 64 }),
    marker.map((text) => `${text} `),
    marker.map((text) => `aPrx${text}==`),
    marker.map((text) => `-----BEGIN PRIVATE KEY-----\n${text}`),
    marker.map((text) => `${text}@Pa$$word`),
  );

  it('never shows a key that looks like a secret pasted in the wrong place', () => {
    fc.assert(
      fc.property(pastedWrong, fc.constantFrom(...GRANTS), (key, grant) => {
        const error = refusal({ ...SMALLEST[grant], [key]: 'x' });
        expect(everythingSaidBy(error)).not.toContain(key);
        expect(error.message).toBe('a key whose name is not shown is not a key that a connection has.');
        const inner = refusal({
          ...without(SMALLEST.AUTHORIZATION_CODE, 'refreshToken'),
          oAuthRequest: { authCode: 'a', redirectUri: 'b', [key]: 1 },
        });
        expect(everythingSaidBy(inner)).not.toContain(key);
      }),
    );
  });

  // Consumer secrets of older connected apps are numbers of up to 19 digits.
  it('never shows a key of digits alone, since old consumer secrets look like that', () => {
    expect(everythingSaidBy(refusal({ ...SMALLEST.JWT_BEARER, '5123456789012345678': 'x' }))).not.toContain(
      '5123456789012345678',
    );
  });
});

describe('reading an interval from a tag', () => {
  it.each([
    ['1', 1],
    ['3600', 3_600],
    ['99999999', 99_999_999],
  ])('reads %s as %i seconds', (tag, seconds) => {
    expect(intervalOf(tag)).toBe(seconds);
  });

  it.each(['', '0', '-1', '1.5', '1e3', '0x10', ' 60', '60 ', '60s', '060', '100000000', 'NaN', '٣٦٠٠'])(
    'rejects %o',
    (tag) => {
      expect(intervalOf(tag)).toBeUndefined();
    },
  );
});
