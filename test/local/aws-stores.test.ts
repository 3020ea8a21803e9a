import { createHash, verify } from 'node:crypto';
import { DescribeKeyCommand, KMSClient, ListResourceTagsCommand, SignCommand } from '@aws-sdk/client-kms';
import {
  DeleteParameterCommand,
  DescribeParametersCommand,
  GetParameterCommand,
  PutParameterCommand,
  type PutParameterCommandInput,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../infra/local/aws.ts';
import { UnknownFunction } from '../../infra/local/lambda/lambda.ts';

const time = new Date('2026-11-24T08:00:00.000Z');
let aws: LocalAws;
let ssm: SSMClient;
let kms: KMSClient;

beforeAll(async () => {
  aws = await startAws({
    now: () => time,
    invoke: async (name, event) => {
      if (name === 'echo') return { event, lost: undefined };
      if (name === 'throws') throw Object.assign(new Error('bad input'), { name: 'INPUT_INVALID' });
      throw new UnknownFunction(name);
    },
  });
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const config = { endpoint: aws.url, region: 'us-east-1', credentials, maxAttempts: 1 };
  ssm = new SSMClient(config);
  kms = new KMSClient(config);
});

afterAll(async () => {
  ssm.destroy();
  kms.destroy();
  await aws.close();
});

describe('Parameter Store', () => {
  const put = (Name: string, Value: string, rest: Partial<PutParameterCommandInput> = {}) =>
    ssm.send(new PutParameterCommand({ Name, Value, Type: 'SecureString', ...rest }));

  beforeEach(async () => {
    for (const { name } of aws.parameters.all()) await ssm.send(new DeleteParameterCommand({ Name: name }));
  });

  it('gives a SecureString in the clear only to who asks for its decryption', async () => {
    await put('/a/b', 'hidden');
    const get = (WithDecryption: boolean) => ssm.send(new GetParameterCommand({ Name: '/a/b', WithDecryption }));
    expect((await get(true)).Parameter).toMatchObject({ Value: 'hidden', Version: 1, LastModifiedDate: time });
    expect((await get(false)).Parameter?.Value).not.toContain('hidden');
  });

  it('overwrites only when told to, and counts versions', async () => {
    await put('/a', '1');
    await expect(put('/a', '2')).rejects.toMatchObject({ name: 'ParameterAlreadyExists' });
    expect(await put('/a', '2', { Overwrite: true })).toMatchObject({ Version: 2, Tier: 'Standard' });
    await expect(put('/a', '3', { Overwrite: true, Type: 'String' })).rejects.toMatchObject({
      name: 'HierarchyTypeMismatchException',
    });
    const tagged = { Tags: [{ Key: 'a', Value: 'b' }] };
    await expect(put('/b', '3', tagged)).rejects.toMatchObject({ name: 'ValidationException' });
  });

  it('holds 4 KB in the standard tier, 8 KB in the advanced one, and never goes back', async () => {
    await expect(put('/a', 'x'.repeat(4097))).rejects.toMatchObject({ name: 'ValidationException' });
    const tiering = { Tier: 'Intelligent-Tiering', Overwrite: true } as const;
    expect(await put('/a', 'x'.repeat(4096), tiering)).toMatchObject({ Tier: 'Standard' });
    expect(await put('/a', 'x'.repeat(8192), tiering)).toMatchObject({ Tier: 'Advanced' });
    await expect(put('/a', 'x'.repeat(8193), tiering)).rejects.toMatchObject({ name: 'ValidationException' });
    await expect(put('/a', 'x', { Overwrite: true })).rejects.toThrow('downgrade');
  });

  it('refuses names that it cannot spell', async () => {
    for (const name of ['/a b', '/a!', 'a/b', '/a/', '/a//b', '/aws/x', 'SSMthing']) {
      await expect(put(name, 'v')).rejects.toMatchObject({ name: 'ValidationException' });
    }
    await expect(put('/x'.repeat(16), 'v')).rejects.toMatchObject({ name: 'HierarchyLevelLimitExceededException' });
    await put('/x'.repeat(15), 'v');
  });

  it('lists one level of a path in pages of ten, without values', async () => {
    for (let n = 0; n < 12; n += 1) await put(`/p/${String(n).padStart(2, '0')}`, 'v');
    await put('/p/deep/er', 'v');
    const list = async (path: string, NextToken?: string) => {
      const ParameterFilters = [{ Key: 'Path', Option: 'OneLevel', Values: [path] }];
      return ssm.send(new DescribeParametersCommand({ ParameterFilters, NextToken }));
    };
    const { Parameters, NextToken } = await list('/p');
    expect(Parameters).toHaveLength(10);
    expect(JSON.stringify(Parameters)).not.toContain('"Value"');
    await expect(list('/q', NextToken)).rejects.toMatchObject({ name: 'InvalidNextToken' });
    expect((await list('/p', NextToken)).Parameters?.map(({ Name }) => Name)).toEqual(['/p/10', '/p/11']);
    const recursive = { ParameterFilters: [{ Key: 'Path', Option: 'Recursive', Values: ['/p'] }] };
    await expect(ssm.send(new DescribeParametersCommand(recursive))).rejects.toMatchObject({
      name: 'InvalidFilterKey',
    });
  });

  it('says that a deleted parameter is not there', async () => {
    await put('/a', '1');
    await ssm.send(new DeleteParameterCommand({ Name: '/a' }));
    await expect(ssm.send(new GetParameterCommand({ Name: '/a' }))).rejects.toMatchObject({
      name: 'ParameterNotFound',
    });
    await expect(ssm.send(new DeleteParameterCommand({ Name: '/a' }))).rejects.toMatchObject({
      name: 'ParameterNotFound',
    });
  });
});

describe('KMS', () => {
  const SigningAlgorithm = 'RSASSA_PKCS1_V1_5_SHA_256';
  let KeyId: string;

  beforeAll(async () => {
    KeyId = await aws.kms.createKey('RSA_2048', { tags: { purpose: 'sign' } });
  });

  it('signs a message or its digest with a key that its public half verifies', async () => {
    const message = Buffer.from('header.payload');
    const digest = createHash('sha256').update(message).digest();
    for (const [id, Message, MessageType] of [
      [KeyId, message, 'RAW'],
      [aws.kms.arn(KeyId), digest, 'DIGEST'],
    ] as const) {
      const { Signature } = await kms.send(new SignCommand({ KeyId: id, Message, MessageType, SigningAlgorithm }));
      expect(verify('sha256', message, aws.kms.publicKey(KeyId), Buffer.from(Signature ?? []))).toBe(true);
    }
  });

  it('tells what a key is for, and its tags', async () => {
    expect((await kms.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata).toMatchObject({
      Arn: aws.kms.arn(KeyId),
      KeyState: 'Enabled',
      KeyUsage: 'SIGN_VERIFY',
      KeySpec: 'RSA_2048',
    });
    const { Tags } = await kms.send(new ListResourceTagsCommand({ KeyId }));
    expect(Tags).toEqual([{ TagKey: 'purpose', TagValue: 'sign' }]);
  });

  it('takes raw messages up to 4,096 bytes, digests of the right length, and algorithms of the key', async () => {
    const sign = (
      Message: Buffer,
      MessageType: 'RAW' | 'DIGEST',
      algorithm: 'ECDSA_SHA_256' | typeof SigningAlgorithm,
    ) => kms.send(new SignCommand({ KeyId, Message, MessageType, SigningAlgorithm: algorithm }));
    await sign(Buffer.alloc(4096), 'RAW', SigningAlgorithm);
    await expect(sign(Buffer.alloc(4097), 'RAW', SigningAlgorithm)).rejects.toMatchObject({
      name: 'ValidationException',
    });
    await expect(sign(Buffer.alloc(33), 'DIGEST', SigningAlgorithm)).rejects.toMatchObject({
      name: 'ValidationException',
    });
    await expect(sign(Buffer.alloc(32), 'RAW', 'ECDSA_SHA_256')).rejects.toMatchObject({
      name: 'InvalidKeyUsageException',
    });
  });

  it('refuses keys that are missing, disabled, to be deleted or for encryption', async () => {
    const sign = (id: string) => kms.send(new SignCommand({ KeyId: id, Message: Buffer.from('x'), SigningAlgorithm }));
    await expect(sign('none')).rejects.toMatchObject({ name: 'NotFoundException' });
    const encrypting = await aws.kms.createKey('RSA_2048', { usage: 'ENCRYPT_DECRYPT' });
    await expect(sign(encrypting)).rejects.toMatchObject({ name: 'InvalidKeyUsageException' });
    aws.kms.setState(KeyId, 'PendingDeletion');
    await expect(sign(KeyId)).rejects.toMatchObject({ name: 'KMSInvalidStateException' });
    aws.kms.setState(KeyId, 'Disabled');
    await expect(sign(KeyId)).rejects.toMatchObject({ name: 'DisabledException' });
    aws.kms.setState(KeyId, 'Enabled');
  });

  it('refuses in the words of IAM', async () => {
    aws.access.deny([{ action: 'kms:Sign', resource: aws.kms.arn(KeyId) }]);
    await expect(
      kms.send(new SignCommand({ KeyId, Message: Buffer.from('x'), SigningAlgorithm })),
    ).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining(`kms:Sign on resource: ${aws.kms.arn(KeyId)}`),
    });
    aws.access.deny([]);
  });
});

describe('Lambda', () => {
  const authorization =
    'AWS4-HMAC-SHA256 Credential=local/20261124/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0';
  const invoke = (name: string, body: string, headers: Record<string, string> = {}) =>
    fetch(`${aws.url}/2015-03-31/functions/${encodeURIComponent(name)}/invocations`, {
      method: 'POST',
      headers: { authorization, ...headers },
      body,
    });

  it('runs a function by name, alias or ARN, through JSON', async () => {
    for (const name of ['echo', 'echo:live', 'arn:aws:lambda:us-east-1:123456789012:function:echo:1']) {
      const response = await invoke(name, '{"a":1}');
      expect([response.status, await response.json()]).toEqual([200, { event: { a: 1 } }]);
      expect(response.headers.get('x-amz-executed-version')).toBe('$LATEST');
    }
  });

  it('reports what a handler threw in the body, with status 200', async () => {
    const response = await invoke('throws', '{}');
    expect(response.status).toBe(200);
    expect(response.headers.get('x-amz-function-error')).toBe('Unhandled');
    expect(await response.json()).toMatchObject({ errorType: 'INPUT_INVALID', errorMessage: 'bad input' });
  });

  it('knows no other functions, bodies than JSON or ways to invoke', async () => {
    const missing = await invoke('none', '{}');
    expect([missing.status, missing.headers.get('x-amzn-errortype')]).toEqual([404, 'ResourceNotFoundException']);
    const asynchronous = await invoke('echo', '{}', { 'x-amz-invocation-type': 'Event' });
    expect(asynchronous.headers.get('x-amzn-errortype')).toBe('InvalidParameterValueException');
    const garbled = await invoke('echo', '{');
    expect([garbled.status, garbled.headers.get('x-amzn-errortype')]).toEqual([400, 'InvalidRequestContentException']);
  });
});
