import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { certificateIn } from '../../functions/adapters/key-material.ts';
import { readRefusal } from '../../functions/adapters/salesforce-refusal.ts';
import { privateKeyProblem, signerAdapter } from '../../functions/adapters/signer.ts';
import { parseConnection } from '../../functions/core/connection/parse-connection.ts';
import { targetOf } from '../../functions/core/connection/target.ts';
import { orRefreshError, RefreshError } from '../../functions/core/errors.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { comesFrom, holdsSeed, knownToRotate, parseRecord } from '../../functions/core/token-rotation/token-record.ts';
import { parseFlowEvent } from '../../functions/runtime/flow-event.ts';
import { isCallEvent, parseProfileEvent } from '../../functions/runtime/profile-event.ts';
import { parseRotationEvent } from '../../functions/runtime/rotation-event.ts';
import { makeKeyAndCertificate } from '../../infra/cli/certificate.ts';
import {
  CALL_EVENT,
  CALL_EVENT_KEYS,
  damaged,
  edited,
  FLOW_EVENT,
  MARKS,
  markedSecrets,
  oddText,
  oddValue,
} from './inputs.ts';
import { type Said, target } from './target.ts';

const RULES = {
  secretPrefix: 'appflow-token-refresher/',
  clientSecretPrefix: 'appflow-client-credentials/',
  loginHosts: ['login.salesforce.com', 'test.salesforce.com', '*.my.salesforce.com'],
  refreshIntervalSeconds: 3_600,
};
const [MARK, OTHER_MARK] = MARKS;

/** The error of what should throw nothing but RefreshErrors; anything else it throws is a finding, and so goes on as it is. */
async function said(act: () => unknown): Promise<Said> {
  try {
    const result = await orRefreshError(act);
    if (result instanceof RefreshError) return { thrown: [result] };
    return { texts: [JSON.stringify(result) ?? ''] };
  } catch (error) {
    return { thrown: [error] };
  }
}

/** A certificate shares its modulus with the private key, and is no secret. */
function problemIn(found: ReturnType<typeof certificateIn>) {
  return 'pem' in found ? undefined : found;
}

/** Keys of every kind, of this run alone. */
async function pems() {
  const { privateKey, certificate } = await makeKeyAndCertificate('fuzz', 2048, 30);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed = generateKeyPairSync('ed25519');
  const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
  const privates = [
    privateKey.reveal(),
    rsa.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    short.privateKey.export(pkcs8).toString(),
    ec.privateKey.export(pkcs8).toString(),
    ec.privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
    ed.privateKey.export(pkcs8).toString(),
    rsa.privateKey.export({ ...pkcs8, cipher: 'aes-256-cbc', passphrase: MARK }).toString(),
  ];
  const publics = [certificate, rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()];
  return { privateKey, certificate, privates, publics };
}

/** What shells, editors and templates do to a PEM. */
const SPELLINGS: readonly ((pem: string) => string)[] = [
  (pem) => pem,
  (pem) => pem.replaceAll('\n', '\r\n'),
  (pem) => pem.replaceAll('\n', '\\n'),
  (pem) => pem.replaceAll('\n', ' '),
  (pem) => pem.replaceAll('\n', ''),
  (pem) => Buffer.from(pem).toString('base64'),
  (pem) => Buffer.from(pem).toString('base64url'),
  (pem) => Buffer.from(pem).toString('base64').replace(/.{64}/g, '$&\n'),
  (pem) => Buffer.from(Buffer.from(pem).toString('base64')).toString('base64'),
  (pem) => `Bag Attributes\n  friendlyName: x\n${pem}`,
  (pem) => pem.replaceAll('+', '-').replaceAll('/', '_'),
  (pem) => pem.split('\n').slice(1, -2).join('\n'),
  (pem) => pem + pem,
];

/** The parsers and readers that stand at the doors, alone: the most inputs a second. */
export const PURE = [
  target({
    name: 'flow-event',
    runs: 70_000,
    mostMs: 2_000,
    async open() {
      return {
        inputs: edited(FLOW_EVENT, [], [OTHER_MARK]),
        secrets: markedSecrets(),
        feed: (input) => said(() => parseFlowEvent(input) && undefined),
      };
    },
  }),
  target({
    name: 'call-event',
    runs: 70_000,
    mostMs: 2_000,
    async open() {
      return {
        inputs: edited(CALL_EVENT, CALL_EVENT_KEYS, [OTHER_MARK]),
        secrets: markedSecrets(),
        feed: (input) => said(() => isCallEvent(input) && parseProfileEvent(input) && undefined),
      };
    },
  }),
  target({
    name: 'rotation-event',
    runs: 70_000,
    mostMs: 2_000,
    async open() {
      const event = {
        Step: 'createSecret',
        SecretId: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:tokens/a-AbCdEf',
        ClientRequestToken: 'a'.repeat(32),
      };
      return {
        inputs: edited(event, ['RotationToken'], MARKS),
        secrets: markedSecrets(),
        feed: (input) => said(() => parseRotationEvent(input, 'tokens/') && undefined),
      };
    },
  }),
  target({
    name: 'secret-value',
    runs: 360_000,
    mostMs: 2_000,
    async open() {
      const { privateKey, certificate } = await pems();
      const common = { loginUrl: 'https://x.my.salesforce.com' };
      const app = { clientId: '3MVG9', clientSecret: MARK };
      const bases = [
        {
          ...common,
          grantType: 'JWT_BEARER',
          handOver: 'JWT',
          connectorProfileName: 'sf',
          clientId: '3MVG9',
          username: 'a@example.com',
          audience: 'https://login.salesforce.com',
          privateKey: privateKey.reveal(),
          certificate,
          lifetimeSeconds: 14_400,
        },
        {
          ...common,
          grantType: 'JWT_BEARER',
          connectorProfileName: 'sf',
          clientId: '3MVG9',
          username: 'a@example.com',
          kmsKeyId: 'alias/sf',
          nextKmsKeyId: 'alias/next',
        },
        { ...common, ...app, grantType: 'AUTHORIZATION_CODE', refreshToken: MARK },
        {
          ...common,
          ...app,
          grantType: 'AUTHORIZATION_CODE',
          oAuthRequest: { authCode: MARK, redirectUri: 'https://example.com/cb' },
        },
        {
          ...common,
          grantType: 'CLIENT_CREDENTIALS',
          clientCredentialsArn:
            'arn:aws:secretsmanager:eu-west-1:123456789012:secret:appflow-client-credentials/a-AbCdEf',
        },
      ];
      const allKeys = [...new Set(bases.flatMap(Object.keys)), 'nextPrivateKey', 'connectorProfileName'];
      const values = fc.oneof(...bases.map((base) => edited(base, allKeys)));
      const json = values.map((value) => JSON.stringify(value) ?? '');
      const secrets = markedSecrets();
      secrets.addPem('a private key', privateKey.reveal());
      const keys = signerAdapter(() => Promise.reject(new Error('KMS is not asked.')));
      return {
        inputs: fc.oneof(
          { weight: 20, arbitrary: json },
          { weight: 5, arbitrary: damaged(json) },
          { weight: 1, arbitrary: oddText() },
        ),
        secrets,
        // What it holds is no output: a connection is handed on, and its secrets are boxed.
        feed: (input) => said(() => JSON.stringify(parseConnection('sf', new Redacted(input), RULES, keys)).length),
      };
    },
  }),
  target({
    name: 'tags',
    runs: 120_000,
    mostMs: 2_000,
    async open() {
      const tag = fc.tuple(
        fc.oneof(fc.constantFrom('connector-profile-name', 'refresh-interval-seconds'), oddText()),
        fc.oneof(oddText(), fc.constantFrom('3600', 'sf-prod', '60s')),
      );
      const inputs = fc.record({
        name: fc.oneof(fc.constantFrom('sf', 'a/b', 'x'.repeat(400)), oddText([OTHER_MARK])),
        changedAt: fc.date({ noInvalidDate: false }),
        tags: fc.array(tag, { maxLength: 50 }),
      });
      return {
        inputs,
        secrets: markedSecrets(),
        feed: ({ name, changedAt, tags }) =>
          said(
            () =>
              targetOf(
                {
                  name: RULES.secretPrefix + (name.includes(OTHER_MARK.slice(0, 12)) ? 'sf' : name),
                  createdAt: changedAt,
                  changedAt,
                  tags: new Map(tags),
                },
                RULES,
              ) && undefined,
          ),
      };
    },
  }),
  target({
    name: 'refusal',
    runs: 120_000,
    mostMs: 2_000,
    async open() {
      const error = fc.oneof(
        fc.constantFrom(
          'invalid_grant',
          'invalid_client',
          'unknown_error',
          'rate_limit_exceeded',
          '__proto__',
          'constructor',
        ),
        oddText(),
      );
      const description = damaged(
        fc.constantFrom(
          'expired access/refresh token',
          "user hasn't approved this consumer",
          'ip restricted',
          'token request is already being processed',
        ),
      );
      const inputs = fc.record({
        error: fc.option(error, { nil: undefined }),
        description: fc.option(description, { nil: undefined }),
        status: fc.integer({ min: 200, max: 599 }),
        isAssertion: fc.boolean(),
      });
      return {
        inputs,
        secrets: markedSecrets(),
        feed: ({ isAssertion, ...response }) =>
          said(() => readRefusal(response, isAssertion, { connection: 'sf', secret: 'p/sf' })),
      };
    },
  }),
  target({
    name: 'token-record',
    runs: 80_000,
    mostMs: 2_000,
    async open() {
      const record = {
        connection: 'sf',
        refreshToken: MARK,
        accessToken: MARK,
        obtainedAt: '2026-11-24T03:00:00.000Z',
        rotates: true,
        seedFingerprint: 'a'.repeat(64),
      };
      const json = edited(record, ['oAuthRequest']).map((value) => JSON.stringify(value) ?? '');
      const seed = { refreshToken: new Redacted(MARK) };
      return {
        inputs: fc.oneof(json, damaged(json)),
        secrets: markedSecrets(),
        feed: (input) => {
          const value = new Redacted(input);
          return said(() => {
            const read = [knownToRotate(value), comesFrom(value, seed), holdsSeed(value, seed)];
            parseRecord(value, { tokenSecret: 't/sf', operatorSecret: 'o/sf' });
            return read;
          });
        },
      };
    },
  }),
  target({
    name: 'pem',
    runs: 90_000,
    chunk: 3_000,
    mostMs: 4_000,
    async open() {
      const { privateKey, privates, publics } = await pems();
      const secrets = markedSecrets();
      for (const pem of privates) secrets.addPem('a private key', pem);
      const whole = fc
        .tuple(fc.constantFrom(...privates, ...publics), fc.constantFrom(...SPELLINGS))
        .map(([pem, spelled]) => spelled(pem));
      return {
        inputs: fc.oneof(
          { weight: 5, arbitrary: damaged(whole) },
          { weight: 1, arbitrary: oddText() },
          { weight: 1, arbitrary: oddValue().map((value) => String(JSON.stringify(value))) },
        ),
        secrets,
        feed: (pem) =>
          said(() => [
            privateKeyProblem(new Redacted(pem)),
            problemIn(certificateIn(new Redacted(pem), [privateKey])),
            problemIn(certificateIn(new Redacted(pem), [])),
          ]),
      };
    },
  }),
];
