import { AppflowClient } from '@aws-sdk/client-appflow';
import { KMSClient } from '@aws-sdk/client-kms';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SQSClient } from '@aws-sdk/client-sqs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appflowAdapter, flowsAdapter } from '../../functions/adapters/appflow.ts';
import { escrowAdapter } from '../../functions/adapters/parameter-store.ts';
import { queueAdapter } from '../../functions/adapters/queue.ts';
import { secretsAdapter } from '../../functions/adapters/secrets.ts';
import { signerAdapter } from '../../functions/adapters/signer.ts';
import { tokenStoreAdapter } from '../../functions/adapters/token-store.ts';
import { RefreshError, Unanswered } from '../../functions/core/errors.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { type LocalAws, startAws } from '../../infra/local/aws.ts';
import type { Forms } from '../../infra/local/wire/forms.ts';
import { RawReply } from '../../infra/local/wire/replies.ts';
import { everythingSaidBy, fakeRun } from '../support/rules.ts';

/** What must not be seen again. */
const MARKER = 'q7Xw2Zk9Jv4Qy8Rt1Mn6';
const NAMES = ['t/a', 't/a-AbCdEf', 't/b', 't/gone', 't/closed'];
const ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:';
const ENVELOPES = ['0', '1', '2'].map((n) => ({
  group: `g${n}`,
  deduplication: `d${n}`,
  message: { connection: 'x', connectorProfileName: 'x', intervalSeconds: 60, scheduledTime: '2026-11-24T08:00:00Z' },
}));

let aws: LocalAws;
let ports: ReturnType<typeof adapters>;
const run = fakeRun();

beforeEach(async () => {
  aws = await startAws({ now: () => new Date('2026-11-24T08:00:00Z') });
  for (const name of ['t/a', 't/a-AbCdEf', 't/b', 't/closed']) aws.secrets.create({ name, value: `of ${name}` });
  aws.access.deny([{ action: 'secretsmanager:GetSecretValue', resource: '*:secret:t/closed-*' }]);
  ports = adapters(aws.url, aws.queue.create('q.fifo', { FifoQueue: 'true' }));
});
afterEach(async () => {
  for (const client of ports.clients) client.destroy();
  await aws.close();
});

function adapters(endpoint: string, queueUrl: string) {
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
  const config = { endpoint, region: 'us-east-1', credentials, maxAttempts: 1 };
  const appflow = new AppflowClient(config);
  const secretsManager = new SecretsManagerClient(config);
  const ssm = new SSMClient(config);
  const kms = new KMSClient(config);
  const sqs = new SQSClient({ ...config, md5: false });
  return {
    clients: [appflow, secretsManager, ssm, kms, sqs],
    appflow: appflowAdapter(appflow),
    flows: flowsAdapter(appflow),
    secrets: secretsAdapter(secretsManager, new Set(['k'])),
    store: tokenStoreAdapter(secretsManager, undefined),
    escrow: escrowAdapter(async () => ssm, '/e/', undefined),
    signer: signerAdapter(async () => kms),
    queue: queueAdapter(async () => sqs, queueUrl),
  };
}

/** Answers an operation with that body. */
function retell(operation: string, ...bodies: unknown[]): void {
  const rest = [...bodies];
  aws.forms.retell = ({ operation: asked }) =>
    asked !== operation ? undefined : rest.length > 1 ? rest.shift() : rest[0];
}

async function outcome(ask: () => Promise<unknown>): Promise<unknown> {
  return ask().then(
    (value) => value,
    (error: unknown) => {
      if (error instanceof RefreshError) {
        expect(everythingSaidBy(error)).not.toContain(MARKER);
        // What nobody of AWS has said is no refusal of AWS.
        expect(error.message).not.toContain('HTTP 200');
        return error.code;
      }
      throw error;
    },
  );
}

/** Code or value of each name that was asked for. */
async function values(names = NAMES): Promise<Record<string, string>> {
  const found = await ports.secrets.values(names, run);
  return Object.fromEntries(
    names.map((name) => {
      const one = found.get(name);
      if (one instanceof RefreshError) expect(everythingSaidBy(one)).not.toContain(MARKER);
      return [name, one === undefined ? 'left out' : one instanceof RefreshError ? one.code : one.value.reveal()];
    }),
  );
}

const TRUE_ANSWER = {
  't/a': 'of t/a',
  't/a-AbCdEf': 'of t/a-AbCdEf',
  't/b': 'of t/b',
  't/gone': 'SECRET_NOT_FOUND',
  't/closed': 'ACCESS_DENIED',
};

describe('a batch of secrets', () => {
  it.each(['as asked', 'ARN', 'ARN without suffix'] as const)(
    'has each error with the secret that it is of, named as AWS likes: %s',
    async (ids) => {
      for (const empty of ['plain', 'left out', 'null'] as const) {
        Object.assign(aws.forms, { ids, empty });
        expect(await values()).toEqual(TRUE_ANSWER);
      }
    },
  );

  it('has its errors with nobody where they name nobody, and with the one that is left where one is', async () => {
    aws.forms.ids = 'null';
    expect(await values()).toEqual({
      ...TRUE_ANSWER,
      't/gone': 'SECRETS_UNAVAILABLE',
      't/closed': 'SECRETS_UNAVAILABLE',
    });
    expect(await values(['t/a', 't/closed'])).toMatchObject({ 't/closed': 'ACCESS_DENIED' });
    expect(await values(['t/gone'])).toEqual({ 't/gone': 'SECRET_NOT_FOUND' });
  });

  it.each([
    ['AccessDeniedException', 'ACCESS_DENIED'],
    ['AccessDenied', 'ACCESS_DENIED'],
    ['com.amazonaws.secretsmanager#AccessDeniedException', 'ACCESS_DENIED'],
    ['AccessDeniedException:http://internal.amazon.com/coral/com.amazon.coral.service/', 'ACCESS_DENIED'],
    ['com.amazon.coral.service#ResourceNotFoundException:http://internal.amazon.com/', 'SECRET_NOT_FOUND'],
    ['NotAuthorized', 'ACCESS_DENIED'],
    ['UnauthorizedOperation', 'ACCESS_DENIED'],
    [`AccessDeniedException#${MARKER}`, 'SECRETS_UNAVAILABLE'],
    ['DecryptionFailure', 'ACCESS_DENIED'],
    ['DecryptionFailureException', 'ACCESS_DENIED'],
    ['ResourceNotFoundException', 'SECRET_NOT_FOUND'],
    ['InvalidRequestException', 'SECRET_NOT_FOUND'],
    ['InternalServiceError', 'SECRETS_UNAVAILABLE'],
    ['ThrottlingException', 'SECRETS_UNAVAILABLE'],
    ['NeverHeardOf', 'SECRETS_UNAVAILABLE'],
    [MARKER, 'SECRETS_UNAVAILABLE'],
    [null, 'SECRETS_UNAVAILABLE'],
    ['', 'SECRETS_UNAVAILABLE'],
  ])('has an error that says %s: %s', async (ErrorCode, code) => {
    const of = (SecretId: string) => ({ SecretId, ErrorCode, Message: MARKER });
    for (const SecretId of ['t/a', `${ARN}t/a`, `${ARN}t/a-QwErTy`]) {
      retell('BatchGetSecretValue', { SecretValues: [], Errors: [of(SecretId)] });
      expect(await values(['t/a']), SecretId).toEqual({ 't/a': code });
    }
  });

  it.each([
    [
      { Errors: [`${ARN}t/a-AbCdEf`], given: ['t/a-AbCdEf'] },
      { 't/a': 'ACCESS_DENIED', 't/a-AbCdEf': 'x' },
    ],
    [
      { Errors: [`${ARN}t/a-AbCdEf`], given: ['t/a'] },
      { 't/a': 'x', 't/a-AbCdEf': 'ACCESS_DENIED' },
    ],
    [
      { Errors: [`${ARN}t/a-AbCdEf-QwErTy`, `${ARN}t/a-AbCdEf`], given: [] },
      { 't/a': 'ACCESS_DENIED', 't/a-AbCdEf': 'ACCESS_DENIED' },
    ],
    [
      { Errors: [`${ARN}t/other-AbCdEf`], given: ['t/a', 't/a-AbCdEf'] },
      { 't/a': 'x', 't/a-AbCdEf': 'x' },
    ],
    [
      { Errors: [`${ARN}t/a-AbCdEf-QwErTy`], given: ['t/a'] },
      { 't/a': 'x', 't/a-AbCdEf': 'ACCESS_DENIED' },
    ],
    [
      { Errors: ['arn:aws-us-gov:secretsmanager:us-gov-west-1:1:secret:t/a-QwErTy'], given: ['t/a-AbCdEf'] },
      { 't/a': 'ACCESS_DENIED', 't/a-AbCdEf': 'x' },
    ],
  ])('tells names that end as an ARN does from ARNs: %j', async ({ Errors, given }, expected) => {
    retell('BatchGetSecretValue', {
      SecretValues: given.map((Name) => ({ Name, VersionId: 'v', SecretString: 'x' })),
      Errors: Errors.map((SecretId) => ({ SecretId, ErrorCode: 'AccessDeniedException' })),
    });
    expect(await values(['t/a', 't/a-AbCdEf'])).toEqual(expected);
  });

  it.each([
    [{}, 'SECRETS_UNAVAILABLE'],
    [{ SecretValues: null, Errors: null }, 'SECRETS_UNAVAILABLE'],
    [{ SecretValues: [], Errors: [] }, 'SECRETS_UNAVAILABLE'],
    [{ SecretValues: [null], Errors: [null] }, 'SECRETS_UNAVAILABLE'],
    [{ SecretValues: [{ Name: null, ARN: `${ARN}t/a-QwErTy`, VersionId: 'v', SecretString: 'x' }] }, 'x'],
    [{ SecretValues: [{ Name: 't/a', VersionId: null, SecretString: 'x' }] }, 'SECRETS_UNAVAILABLE'],
    [{ SecretValues: [{ Name: 't/a', VersionId: 'v', SecretString: null }] }, 'SECRETS_UNAVAILABLE'],
    [{ SecretValues: [{ Name: 't/a', VersionId: 'v', SecretBinary: 'aGk=' }] }, 'SECRET_MALFORMED'],
    [{ SecretValues: [{ Name: 't/other', VersionId: 'v', SecretString: 'x' }] }, 'SECRETS_UNAVAILABLE'],
  ])('that answers %j gives %s', async (body, code) => {
    retell('BatchGetSecretValue', body);
    expect(await values(['t/a'])).toEqual({ 't/a': code });
  });

  it.each([
    [[`${ARN}t/a-AbCdEf`, `${ARN}t/b`], { 't/a': 'ACCESS_DENIED', 't/b': 'ACCESS_DENIED' }],
    [[`${ARN}t/b-AbCdEf-QwErTy`], { 't/b-AbCdEf': 'ACCESS_DENIED', 't/a': 'SECRETS_UNAVAILABLE' }],
    [[`${ARN}t/b-AbCdEf`], { 't/b-AbCdEf': 'ACCESS_DENIED', 't/a': 'SECRETS_UNAVAILABLE' }],
    [[`${ARN}t/a-QwErTy`], { 't/a': 'ACCESS_DENIED', 't/b': 'SECRETS_UNAVAILABLE' }],
    [['t/a'], { 't/a': 'ACCESS_DENIED', 't/b': 'SECRETS_UNAVAILABLE' }],
    [[null], { 't/a': 'SECRETS_UNAVAILABLE', 't/b': 'SECRETS_UNAVAILABLE' }],
    [[null, null], { 't/a': 'ACCESS_DENIED', 't/b': 'ACCESS_DENIED' }],
    [['arn:aws:kms:us-east-1:123456789012:key/t/a'], { 't/a': 'SECRETS_UNAVAILABLE', 't/b': 'SECRETS_UNAVAILABLE' }],
  ])('that refuses %j refuses no other', async (ids, expected) => {
    retell('BatchGetSecretValue', {
      Errors: ids.map((SecretId) => ({ SecretId, ErrorCode: 'AccessDeniedException' })),
    });
    expect(await values(Object.keys(expected))).toEqual(expected);
  });

  it('says of no secret that it does not exist where the answer leaves it out', async () => {
    retell('BatchGetSecretValue', { Errors: [{ SecretId: 't/b', ErrorCode: 'ResourceNotFoundException' }] });
    expect(await values(['t/a', 't/b'])).toEqual({ 't/a': 'SECRETS_UNAVAILABLE', 't/b': 'SECRET_NOT_FOUND' });
  });
});

describe('lists', () => {
  it('are whole in whatever form they come', async () => {
    await ports.escrow.keep('x', new Redacted('y'), run);
    aws.appflow.putProfile({ name: 'sf' });
    const keyId = await aws.kms.createKey('RSA_2048', { tags: { a: 'b' } });
    const lists = async () => ({
      secrets: (await ports.secrets.list('t/', run)).map(({ name }) => name).sort(),
      escrow: await ports.escrow.list(run),
      profiles: [...(await ports.appflow.salesforceProfiles(run)).keys()],
      young: await ports.store.youngVersions('t/a', run),
      stages: [...(await ports.store.stages('t/a', run)).keys()],
      tags: [
        ...(
          await ports.signer.keyTags(
            { kmsKeyId: keyId, willDo: () => false, denied: () => new RefreshError('ACCESS_DENIED', '', '') },
            run,
          )
        ).tags,
      ],
    });
    const plain = await lists();
    expect(plain).toEqual({
      secrets: ['t/a', 't/a-AbCdEf', 't/b', 't/closed'],
      escrow: ['x'],
      profiles: ['sf'],
      young: 1,
      stages: ['AWSCURRENT'],
      tags: [['a', 'b']],
    });
    for (const empty of ['plain', 'left out', 'null'] as const) {
      for (const emptyPages of [false, true]) {
        Object.assign(aws.forms, { empty, emptyPages });
        expect(await lists(), `${empty}, ${emptyPages}`).toEqual(plain);
      }
    }
  });

  it('may name by ARN alone, and have members that are null', async () => {
    retell('ListSecrets', {
      SecretList: [
        null,
        { Name: null, ARN: null },
        { Name: null, ARN: `${ARN}t/x-AbCdEf`, Tags: [null, { Key: null, Value: 'v' }, { Key: 'k', Value: 'v' }] },
        { Name: 't/y', ARN: null, Tags: null, CreatedDate: null, LastChangedDate: null },
      ],
    });
    const listed = await ports.secrets.list('t/', run);
    expect(listed.map(({ name, tags }) => [name, [...tags]])).toEqual([
      ['t/x', [['k', 'v']]],
      ['t/y', []],
    ]);
    retell('DescribeConnectorProfiles', {
      connectorProfileDetails: [
        null,
        { connectorProfileName: null },
        {
          connectorProfileName: null,
          connectorProfileArn: 'arn:aws:appflow:us-east-1:123456789012:connectorprofile/sf',
          connectorProfileProperties: null,
        },
      ],
    });
    expect([...(await ports.appflow.profiles(['sf'], run)).keys()]).toEqual(['sf']);
    retell('DescribeParameters', {
      Parameters: [
        null,
        { Name: null },
        { Name: null, ARN: 'arn:aws:ssm:us-east-1:123456789012:parameter/e/x' },
        { Name: 'arn:aws:ssm:us-east-1:123456789012:parameter/e/y' },
        { Name: '/elsewhere/z' },
        { Name: '/e/w' },
      ],
    });
    expect(await ports.escrow.list(run)).toEqual(['x', 'y', 'w']);
    retell('DescribeFlow', {
      sourceFlowConfig: null,
      destinationFlowConfigList: [null, { connectorType: 'Salesforce', connectorProfileName: 'sf' }],
      triggerConfig: null,
      lastRunExecutionDetails: null,
    });
    expect(await ports.flows.flow('f', run)).toMatchObject({
      connectorProfileNames: ['sf'],
      profilesAt: { source: [], destination: ['sf'] },
      errorTexts: [],
    });
    retell('DescribeSecret', { Name: 't/a', DeletedDate: null, VersionIdsToStages: { v: ['L', null], w: null } });
    expect([...(await ports.store.stages('t/a', run))]).toEqual([['L', 'v']]);
    retell('ListSecretVersionIds', { Versions: [null, { VersionId: 'v', CreatedDate: null }] });
    expect(await ports.store.youngVersions('t/a', run)).toBe(1);
  });

  const young = () => ports.store.youngVersions('t/a', run);
  it.each([
    ['ListSecrets', () => ports.secrets.list('t/', run), 'SECRETS_UNAVAILABLE'],
    ['BatchGetSecretValue', () => ports.secrets.values(['t/a'], run), 'SECRETS_UNAVAILABLE'],
    ['ListSecretVersionIds', young, 'SECRETS_UNAVAILABLE'],
    ['DescribeParameters', () => ports.escrow.list(run), 'SECRETS_UNAVAILABLE'],
    ['DescribeConnectorProfiles', () => ports.appflow.profiles(['sf'], run), 'APPFLOW_UNAVAILABLE'],
  ])('end where a token comes twice, and are then none: %s', async (operation, ask, code) => {
    const name = operation === 'DescribeConnectorProfiles' ? 'nextToken' : 'NextToken';
    retell(operation, { [name]: MARKER });
    expect(await outcome(ask)).toBe(code);
    retell(operation, { [name]: 'a' }, { [name]: 'b' }, { [name]: 'a' });
    expect(await outcome(ask)).toBe(code);
    retell(operation, { [name]: 'a' }, { [name]: '' });
    expect(await outcome(ask)).not.toBe(code);
    expect(aws.calls.filter((call) => call.operation === operation)).toHaveLength(2 + 3 + 2);
  });
});

describe('an answer that is none of the service', () => {
  const html = new RawReply(200, { 'content-type': 'text/html' }, `<html>${MARKER}</html>`);
  const key = () =>
    ports.signer.keyTags(
      { kmsKeyId: 'alias/k', willDo: () => false, denied: () => new RefreshError('ACCESS_DENIED', '', '') },
      run,
    );
  const ARN_OF_KEY = 'arn:aws:kms:us-east-1:123456789012:key/k';
  const sign = () => ports.signer.sign({ kmsKeyId: 'k' }, '{}', run);

  it.each<readonly [string, () => Promise<unknown>, string, readonly unknown[]]>([
    [
      'GetSecretValue',
      () => ports.secrets.value('t/a', run),
      'SECRETS_UNAVAILABLE',
      [{ VersionId: 7, SecretString: MARKER }, { SecretString: MARKER }, { VersionId: 'v' }],
    ],
    [
      'GetSecretValue',
      () => ports.store.current('t/a', run),
      'SECRETS_UNAVAILABLE',
      [
        { VersionId: 'v', SecretString: MARKER, CreatedDate: MARKER },
        { VersionId: 'v', SecretString: { a: MARKER } },
      ],
    ],
    [
      'BatchGetSecretValue',
      () => ports.secrets.values(['t/a'], run),
      'SECRETS_UNAVAILABLE',
      [{ SecretValues: { a: MARKER } }, { Errors: MARKER }, { Errors: [MARKER] }, { NextToken: 7 }],
    ],
    [
      'ListSecrets',
      () => ports.secrets.list('t/', run),
      'SECRETS_UNAVAILABLE',
      [
        { SecretList: MARKER },
        { SecretList: [{ Name: [MARKER] }] },
        { SecretList: [{ Name: 't/a', Tags: { a: MARKER } }] },
      ],
    ],
    [
      'DescribeSecret',
      () => ports.secrets.describe('t/a', run),
      'SECRETS_UNAVAILABLE',
      [{}, { Name: { a: MARKER } }, { Name: 't/a', Tags: MARKER }],
    ],
    [
      'DescribeSecret',
      () => ports.secrets.tags(`${ARN}t/a-QwErTy`, () => false, run),
      'SECRETS_UNAVAILABLE',
      [{}, { Name: 't/a' }, { ARN: `${ARN}t/b-QwErTy` }],
    ],
    [
      'DescribeSecret',
      () => ports.store.stages('t/a', run),
      'SECRETS_UNAVAILABLE',
      [{}, { Name: 't/a', VersionIdsToStages: { v: MARKER } }, { Name: 't/a', VersionIdsToStages: MARKER }],
    ],
    [
      'ListSecretVersionIds',
      () => ports.store.youngVersions('t/a', run),
      'SECRETS_UNAVAILABLE',
      [{ Versions: MARKER }, { Versions: [MARKER] }],
    ],
    [
      'GetParameter',
      () => ports.escrow.find('x', run),
      'SECRETS_UNAVAILABLE',
      [{}, { Parameter: null }, { Parameter: { Value: null } }, { Parameter: { Value: [MARKER] } }],
    ],
    [
      'DescribeParameters',
      () => ports.escrow.list(run),
      'SECRETS_UNAVAILABLE',
      [{ Parameters: MARKER }, { Parameters: [{ Name: [MARKER] }] }],
    ],
    [
      'DescribeKey',
      key,
      'KMS_UNAVAILABLE',
      [
        {},
        { KeyMetadata: null },
        { KeyMetadata: { Arn: null } },
        { KeyMetadata: { Arn: MARKER } },
        { KeyMetadata: { Arn: 'arn:aws:kms:us-east-1:123456789012:alias/k' } },
      ],
    ],
    ['Sign', sign, 'KMS_UNAVAILABLE', [{}, { Signature: null }, { Signature: '' }, { KeyId: ARN_OF_KEY }]],
    [
      'DescribeFlow',
      () => ports.flows.flow('f', run),
      'APPFLOW_UNAVAILABLE',
      [{ sourceFlowConfig: MARKER }, { lastRunExecutionDetails: MARKER }],
    ],
    [
      'DescribeConnectors',
      () => ports.appflow.supportedGrants(run),
      'APPFLOW_UNAVAILABLE',
      [{ connectorConfigurations: MARKER }],
    ],
  ])('is told as such, and nothing of it is repeated: %s', async (operation, ask, code, bodies) => {
    for (const body of [...bodies, html]) {
      retell(operation, body);
      expect(await outcome(ask), JSON.stringify(body)).toBe(code);
    }
  });

  it('of the tags of a key is told too, since a key with half of its tags would serve others', async () => {
    for (const body of [
      { Tags: MARKER },
      { Tags: [{ TagKey: [MARKER] }] },
      { Truncated: true },
      { Truncated: true, NextMarker: 'm' },
    ]) {
      aws.forms.retell = ({ operation }) =>
        operation === 'DescribeKey'
          ? { KeyMetadata: { Arn: ARN_OF_KEY } }
          : operation === 'ListResourceTags'
            ? body
            : undefined;
      expect(await outcome(key), JSON.stringify(body)).toBe('KMS_UNAVAILABLE');
    }
  });

  it.each([{}, null, { VersionId: null }, { VersionId: 'w'.repeat(32) }, { message: MARKER }])(
    'is no proof that anything was stored: %j',
    async (body) => {
      const [name, versionId, value] = ['t/a', 'v'.repeat(32), new Redacted('x')] as const;
      const [from, stage] = [undefined, 'L'];
      for (const [operation, change] of Object.entries({
        PutSecretValue: () => ports.store.put({ name, versionId, value }, run),
        CreateSecret: () => ports.store.create('t/new', versionId, value, run),
        UpdateSecretVersionStage: () => ports.store.moveStage({ name, stage, from, to: versionId }, run),
        PutParameter: () => ports.escrow.keep('x', value, run),
      })) {
        retell(operation, body);
        const error = await change().catch((thrown: unknown) => thrown);
        expect(error, operation).toBeInstanceOf(Unanswered);
        expect(await outcome(() => Promise.reject(error)), operation).toBe('SECRETS_UNAVAILABLE');
      }
    },
  );

  it.each([
    [401, `<html>${MARKER}</html>`],
    [403, `<html>${MARKER}</html>`],
    [407, MARKER],
    [302, ''],
    [403, ''],
    [403, JSON.stringify({ message: MARKER })],
    [400, JSON.stringify({ __type: { a: MARKER } })],
  ])('is not said to be a refusal of it, and may have come after a change: HTTP %i %s', async (status, body) => {
    aws.forms.retell = () => new RawReply(status, {}, body);
    const read = await ports.secrets.value('t/a', run).catch((thrown: unknown) => thrown);
    expect(read).toMatchObject({
      code: 'SECRETS_UNAVAILABLE',
      message: `The answer to secretsmanager:GetSecretValue on t/a (HTTP ${status}) is not one that Secrets Manager gives.`,
    });
    expect(read).not.toBeInstanceOf(Unanswered);
    const put = ports.store.put({ name: 't/a', versionId: 'v'.repeat(32), value: new Redacted('x') }, run);
    await expect(put).rejects.toBeInstanceOf(Unanswered);
  });

  it('to the making of a secret may be that its key does not exist', async () => {
    retell('CreateSecret', new RawReply(400, {}, JSON.stringify({ __type: 'ResourceNotFoundException' })));
    const create = ports.store.create('t/new', 'v'.repeat(32), new Redacted('x'), run);
    await expect(create).rejects.toMatchObject({ code: 'ACCESS_DENIED', message: expect.stringContaining('KMS key') });
  });

  it('to a put may still mean that it was applied, so that no lease is released for it', async () => {
    retell('PutSecretValue', html);
    const put = ports.store.put({ name: 't/a', versionId: 'v'.repeat(32), value: new Redacted('x') }, run);
    const error = await put.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Unanswered);
    expect(error).toMatchObject({ code: 'SECRETS_UNAVAILABLE' });
  });
});

describe('the queue', () => {
  const failed = (Id: unknown, more: object = {}) => ({ Id, Code: 'InternalError', SenderFault: false, ...more });
  const taken = (Id: string, n = 0) => ({ Id, MessageId: `m${n}`, MD5OfMessageBody: '0'.repeat(32) });

  it('counts what it says it took, in whatever form it says what it did not take', async () => {
    for (const empty of ['plain', 'left out', 'null'] as const) {
      Object.assign(aws.forms, { empty });
      expect(await ports.queue.send(ENVELOPES, run)).toBe(3);
    }
    for (const Failed of [[failed('2')], [failed(null)], [failed('nobody')], [null], null, []]) {
      retell('SendMessageBatch', { Successful: [taken('0'), taken('1')], Failed }, { Failed });
      expect(await ports.queue.send(ENVELOPES, run), JSON.stringify(Failed)).toBe(2);
    }
  });

  it('sends again what it was not told to be taken', async () => {
    retell('SendMessageBatch', { Successful: [taken('0'), taken('2')] }, { Successful: [taken('0')] });
    expect(await ports.queue.send(ENVELOPES, run)).toBe(3);
    const sent = aws.calls.map(({ input }) => (input as { Entries: object[] }).Entries.length);
    expect(sent).toEqual([3, 1]);
  });

  it.each([
    [{}, 'APPFLOW_UNAVAILABLE'],
    [{ Successful: [], Failed: null }, 'APPFLOW_UNAVAILABLE'],
    [{ Successful: [null], Failed: [null] }, 'APPFLOW_UNAVAILABLE'],
    [{ Successful: MARKER }, 'APPFLOW_UNAVAILABLE'],
    [{ Successful: [taken('7')] }, 'APPFLOW_UNAVAILABLE'],
    [{ Failed: [failed('0', { Code: MARKER }), failed('1'), failed('2')] }, 'APPFLOW_UNAVAILABLE'],
    [{ Failed: ['0', '1', '2'].map((id) => failed(id, { Code: 'AccessDenied', SenderFault: true })) }, 'ACCESS_DENIED'],
    [
      {
        Failed: ['0', '1', '2'].map((id) => failed(id, { Code: 'com.amazonaws.sqs#AccessDenied', SenderFault: true })),
      },
      'ACCESS_DENIED',
    ],
    [{ Failed: ['0', '1', '2'].map((id) => failed(id, { Code: null, SenderFault: null })) }, 'APPFLOW_UNAVAILABLE'],
    [new RawReply(200, {}, `<html>${MARKER}</html>`), 'APPFLOW_UNAVAILABLE'],
  ])('that answers %j took nothing: %s', async (body, code) => {
    retell('SendMessageBatch', body);
    expect(await outcome(() => ports.queue.send(ENVELOPES, run))).toBe(code);
  });
});

describe('the grants that AppFlow supports', () => {
  it.each<readonly [Forms['empty'], readonly string[], readonly string[] | undefined]>([
    ['plain', ['JWT_BEARER'], ['JWT_BEARER']],
    ['plain', [], undefined],
    ['left out', [], undefined],
    ['null', [], undefined],
  ])('are not known where there is no list, or an empty one: %s, %j', async (empty, given, expected) => {
    aws.appflow.supportedGrants = [...given] as typeof aws.appflow.supportedGrants;
    aws.forms.empty = empty;
    const grants = await ports.appflow.supportedGrants(run);
    expect(grants && [...grants]).toEqual(expected);
  });
});
