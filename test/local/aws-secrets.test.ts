import { randomUUID } from 'node:crypto';
import {
  BatchGetSecretValueCommand,
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  type ListSecretsCommandInput,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../infra/local/aws.ts';
import type { Fault } from '../../infra/local/wire/traffic.ts';

const HOUR = 3600 * 1000;
const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };

let time = new Date('2026-11-24T08:00:00.000Z');
let aws: LocalAws;
let client: SecretsManagerClient;
let invoked: { name: string; event: unknown }[];
let handler: (event: unknown) => Promise<unknown>;
let faults: (operation: string, phase: string) => Fault | undefined;

function wait(milliseconds: number): void {
  time = new Date(time.getTime() + milliseconds);
}

async function create(name: string, value = 'one', token: string = randomUUID()): Promise<string> {
  await client.send(new CreateSecretCommand({ Name: name, SecretString: value, ClientRequestToken: token }));
  return token;
}

async function put(name: string, value: string, stages?: string[], token: string = randomUUID()): Promise<string> {
  const input = { SecretId: name, SecretString: value, ClientRequestToken: token };
  await client.send(new PutSecretValueCommand({ ...input, ...(stages && { VersionStages: stages }) }));
  return token;
}

async function stagesOf(name: string): Promise<Record<string, string[]> | undefined> {
  return (await client.send(new DescribeSecretCommand({ SecretId: name }))).VersionIdsToStages;
}

beforeEach(async () => {
  time = new Date('2026-11-24T08:00:00.000Z');
  invoked = [];
  handler = async () => null;
  faults = () => undefined;
  aws = await startAws({
    now: () => time,
    intercept: (call, phase) => faults(call.operation, phase),
    invoke: (name, event) => {
      invoked.push({ name, event });
      return handler(event);
    },
  });
  client = new SecretsManagerClient({ endpoint: aws.url, region: 'us-east-1', credentials, maxAttempts: 1 });
});

afterEach(async () => {
  client.destroy();
  await aws.close();
});

describe('reading a secret', () => {
  it('finds a secret by name, by ARN and by the ARN without its random end', async () => {
    const { arn } = aws.secrets.create({ name: 'a/b', value: 'v' });
    for (const SecretId of ['a/b', arn, arn.slice(0, -7)]) {
      expect((await client.send(new GetSecretValueCommand({ SecretId }))).SecretString).toBe('v');
    }
  });

  it('says that it cannot find what is not there', async () => {
    await expect(client.send(new GetSecretValueCommand({ SecretId: 'none' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: "Secrets Manager can't find the specified secret.",
      $metadata: { httpStatusCode: 400 },
    });
  });

  it('reads a version by id, by label, and by both only where they belong together', async () => {
    const first = await create('s');
    const second = await put('s', 'two');
    const get = (input: { VersionId?: string; VersionStage?: string }) =>
      client.send(new GetSecretValueCommand({ SecretId: 's', ...input }));
    expect(await get({})).toMatchObject({ SecretString: 'two', VersionId: second, VersionStages: ['AWSCURRENT'] });
    expect(await get({ VersionStage: 'AWSPREVIOUS' })).toMatchObject({ SecretString: 'one', VersionId: first });
    expect(await get({ VersionId: first })).toMatchObject({ SecretString: 'one' });
    expect(await get({ VersionId: first, VersionStage: 'AWSPREVIOUS' })).toMatchObject({ SecretString: 'one' });
    await expect(get({ VersionId: first, VersionStage: 'AWSCURRENT' })).rejects.toMatchObject({
      name: 'InvalidRequestException',
    });
    await expect(get({ VersionStage: 'REFRESH_LEASE' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });
});

describe('creating a secret', () => {
  it('refuses names that AWS does not allow', async () => {
    for (const name of ['with space', 'ümlaut', 'a#b', 'a:b']) {
      await expect(create(name)).rejects.toMatchObject({ name: 'ValidationException' });
    }
    await create('a/b_c+d=e.f@g!h-i');
  });

  it('refuses tags that AWS cannot spell', async () => {
    for (const tag of [
      { Key: 'a', Value: 'with!' },
      { Key: 'a', Value: 'with#' },
      { Key: 'aws:x', Value: '1' },
    ]) {
      await expect(client.send(new CreateSecretCommand({ Name: 's', Tags: [tag] }))).rejects.toMatchObject({
        name: 'InvalidParameterException',
      });
    }
  });

  it('is repeatable with the same token and value, and refuses a second secret of that name', async () => {
    const token = await create('s', 'one');
    await create('s', 'one', token);
    await expect(create('s', 'two', token)).rejects.toMatchObject({ name: 'ResourceExistsException' });
    await expect(create('s', 'one')).rejects.toMatchObject({ name: 'ResourceExistsException' });
  });

  it('leaves a secret without a value without a version', async () => {
    const made = await client.send(new CreateSecretCommand({ Name: 'empty' }));
    expect(made.VersionId).toBeUndefined();
    expect(await stagesOf('empty')).toBeUndefined();
    await expect(client.send(new GetSecretValueCommand({ SecretId: 'empty' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });

  it('takes 65,536 bytes of UTF-8 and not one more', async () => {
    await create('full', 'ü'.repeat(32_768));
    await expect(create('over', `${'ü'.repeat(32_768)}x`)).rejects.toMatchObject({ name: 'ValidationException' });
    expect(aws.secrets.names()).toEqual(['full']);
  });
});

describe('putting a version', () => {
  it('moves AWSCURRENT and AWSPREVIOUS in one step, and forgets what carries no label', async () => {
    const [a, b, c] = [await create('s'), await put('s', 'two'), await put('s', 'three')];
    expect(await stagesOf('s')).toEqual({ [c]: ['AWSCURRENT'], [b]: ['AWSPREVIOUS'] });
    const listed = await client.send(new ListSecretVersionIdsCommand({ SecretId: 's', IncludeDeprecated: true }));
    expect(listed.Versions?.map(({ VersionId }) => VersionId)).toEqual([a, b, c]);
  });

  it('is a compare-and-swap by its token: the same value changes nothing, another one is refused', async () => {
    await create('s');
    const token = await put('s', 'two', ['LEASE']);
    const before = aws.secrets.describe('s')?.LastChangedDate;
    wait(HOUR);
    await put('s', 'two', ['LEASE', 'OTHER'], token);
    expect(aws.secrets.describe('s')?.LastChangedDate).toBe(before);
    expect(aws.secrets.versions('s').find(({ id }) => id === token)?.stages).toEqual(['LEASE']);
    await expect(put('s', 'else', ['LEASE'], token)).rejects.toMatchObject({ name: 'ResourceExistsException' });
  });

  it('leaves AWSCURRENT alone where other labels are given, and takes those from other versions', async () => {
    const current = await create('s');
    await put('s', 'two', ['LEASE']);
    const lease = await put('s', 'three', ['LEASE']);
    expect(await stagesOf('s')).toEqual({ [current]: ['AWSCURRENT'], [lease]: ['LEASE'] });
  });

  it('makes the very first version AWSCURRENT whatever its labels', async () => {
    await client.send(new CreateSecretCommand({ Name: 'empty' }));
    const token = await put('empty', 'one', ['LEASE']);
    expect(await stagesOf('empty')).toEqual({ [token]: ['LEASE', 'AWSCURRENT'] });
  });

  it('wants tokens of 32 to 64 characters, and a value', async () => {
    await create('s');
    for (const token of ['short', 'x'.repeat(65)]) {
      await expect(put('s', 'two', undefined, token)).rejects.toMatchObject({ name: 'InvalidParameterException' });
    }
    await expect(client.send(new PutSecretValueCommand({ SecretId: 's' }))).rejects.toMatchObject({
      name: 'InvalidRequestException',
    });
  });

  it('never drops a version younger than a day, and is full at a hundred', async () => {
    await create('s');
    for (let count = 1; count < 100; count += 1) aws.secrets.put('s', `v${count}`);
    await expect(put('s', 'one too many')).rejects.toMatchObject({ name: 'LimitExceededException' });
    wait(24 * HOUR + 1);
    await put('s', 'next day');
    expect(aws.secrets.versions('s')).toHaveLength(100);
    expect(aws.secrets.versions('s').map(({ value }) => value)).not.toContain('one');
    expect(aws.secrets.read('s', 'AWSPREVIOUS')).toBe('v99');
  });

  it('keeps at most 20 labels for all versions of a secret together', async () => {
    await create('s');
    await put(
      's',
      'two',
      [...Array(19).keys()].map((n) => `L${n}`),
    );
    await expect(put('s', 'three', ['ANOTHER'])).rejects.toMatchObject({ name: 'LimitExceededException' });
    await put('s', 'three', ['L0']);
  });
});

describe('moving a label', () => {
  async function move(stage: string, from?: string, to?: string): Promise<void> {
    const input = { SecretId: 's', VersionStage: stage, RemoveFromVersionId: from, MoveToVersionId: to };
    await client.send(new UpdateSecretVersionStageCommand(input));
  }

  it('moves a label only for who names the version that it sits on', async () => {
    const a = await create('s');
    const b = await put('s', 'two', ['AWSPENDING']);
    await expect(move('AWSCURRENT', undefined, b)).rejects.toMatchObject({
      name: 'InvalidParameterException',
      message: expect.stringContaining(`currently attached to version ${a}`),
    });
    await expect(move('AWSCURRENT', b, b)).rejects.toMatchObject({ name: 'InvalidParameterException' });
    await expect(move('AWSPENDING', a, a)).rejects.toMatchObject({ name: 'InvalidParameterException' });
    await move('AWSCURRENT', a, b);
    expect(await stagesOf('s')).toEqual({ [a]: ['AWSPREVIOUS'], [b]: ['AWSPENDING', 'AWSCURRENT'] });
  });

  it('never takes AWSCURRENT away without a new place for it', async () => {
    const a = await create('s');
    await expect(move('AWSCURRENT', a)).rejects.toMatchObject({ name: 'InvalidParameterException' });
  });

  it('removes any other label from the version that is named, and from no other', async () => {
    const a = await create('s');
    const b = await put('s', 'two', ['LEASE']);
    await expect(move('LEASE', a)).rejects.toMatchObject({ name: 'InvalidParameterException' });
    await move('LEASE', b);
    expect(await stagesOf('s')).toEqual({ [a]: ['AWSCURRENT'] });
  });

  it('attaches a free label, and does nothing where it already is', async () => {
    const a = await create('s');
    await move('MINE', undefined, a);
    await move('MINE', undefined, a);
    expect(await stagesOf('s')).toEqual({ [a]: ['AWSCURRENT', 'MINE'] });
  });
});

describe('reading a batch', () => {
  it('reads up to 20 in an order of its own, failures apart, without tags', async () => {
    for (const name of ['a', 'b', 'c']) aws.secrets.create({ name, value: name, tags: { t: 'v' } });
    const { SecretValues, Errors } = await client.send(
      new BatchGetSecretValueCommand({ SecretIdList: ['a', 'missing', 'b', 'c'] }),
    );
    expect(SecretValues?.map(({ SecretString }) => SecretString)).toEqual(['c', 'b', 'a']);
    expect(Errors).toEqual([expect.objectContaining({ SecretId: 'missing', ErrorCode: 'ResourceNotFoundException' })]);
    expect(JSON.stringify(SecretValues)).not.toContain('Tags');
  });

  it('takes 20 ids at most, and ids alone', async () => {
    const ids = [...Array(21).keys()].map(String);
    const Filters = [{ Key: 'name' as const, Values: ['a'] }];
    for (const input of [{ SecretIdList: ids }, { Filters }, {}]) {
      await expect(client.send(new BatchGetSecretValueCommand(input))).rejects.toMatchObject({
        name: expect.stringMatching(/^(Validation|InvalidParameter)Exception$/),
      });
    }
  });

  it('lists what may not be read or decrypted under Errors', async () => {
    aws.secrets.create({ name: 'open', value: 'v' });
    aws.secrets.create({ name: 'closed', value: 'v' });
    aws.secrets.create({ name: 'locked', value: 'v', kmsKeyId: 'key-1' });
    aws.access.deny([
      { action: 'secretsmanager:GetSecretValue', resource: '*:secret:closed-*' },
      { action: 'kms:Decrypt', resource: '*:key/key-1' },
    ]);
    const reply = await client.send(new BatchGetSecretValueCommand({ SecretIdList: ['open', 'closed', 'locked'] }));
    expect(reply.SecretValues).toHaveLength(1);
    expect(reply.Errors?.map(({ SecretId, ErrorCode, Message }) => [SecretId, ErrorCode, Message])).toEqual([
      ['locked', 'AccessDeniedException', 'Access to KMS is not allowed'],
      ['closed', 'AccessDeniedException', expect.stringContaining('secretsmanager:GetSecretValue on resource: closed')],
    ]);
  });
});

describe('a list of secrets', () => {
  const names = async (input: ListSecretsCommandInput) =>
    (await client.send(new ListSecretsCommand(input))).SecretList?.map(({ Name }) => Name) ?? [];

  it('filters by prefixes of the name in their case, newest first', async () => {
    for (const name of ['app/a', 'app/b', 'App/c', 'other']) {
      aws.secrets.create({ name });
      wait(1000);
    }
    expect(await names({ Filters: [{ Key: 'name', Values: ['app/'] }] })).toEqual(['app/b', 'app/a']);
    expect(await names({ Filters: [{ Key: 'name', Values: ['App', 'o'] }] })).toEqual(['other', 'App/c']);
  });

  it('pages, and refuses a token that belongs to another list', async () => {
    for (let index = 0; index < 5; index += 1) aws.secrets.create({ name: `s${index}` });
    const first = await client.send(new ListSecretsCommand({ MaxResults: 3 }));
    expect(first.SecretList).toHaveLength(3);
    const NextToken = first.NextToken;
    const second = await client.send(new ListSecretsCommand({ MaxResults: 3, NextToken }));
    expect(second.SecretList).toHaveLength(2);
    expect(second.NextToken).toBeUndefined();
    const Filters = [{ Key: 'name' as const, Values: ['s'] }];
    await expect(client.send(new ListSecretsCommand({ NextToken, Filters }))).rejects.toMatchObject({
      name: 'InvalidNextTokenException',
    });
  });

  it('gives tags, dates and stages without any value', async () => {
    const { versionId = '' } = aws.secrets.create({ name: 's', value: 'hidden', tags: { a: '1' } });
    wait(HOUR);
    const lease = await put('s', 'hidden too', ['LEASE']);
    const { SecretList } = await client.send(new ListSecretsCommand({}));
    expect(SecretList?.[0]).toMatchObject({
      Tags: [{ Key: 'a', Value: '1' }],
      LastChangedDate: time,
      CreatedDate: new Date('2026-11-24T08:00:00.000Z'),
      SecretVersionsToStages: { [versionId]: ['AWSCURRENT'], [lease]: ['LEASE'] },
    });
    expect(JSON.stringify(SecretList)).not.toContain('hidden');
  });

  it('may be minutes behind the truth', async () => {
    aws.secrets.listLagSeconds = 300;
    await create('s');
    expect(await names({})).toEqual([]);
    wait(300 * 1000);
    expect(await names({})).toEqual(['s']);
    aws.secrets.remove('s');
    expect(await names({})).toEqual(['s']);
    wait(300 * 1000);
    expect(await names({})).toEqual([]);
  });
});

describe('a rotation', () => {
  const arn = 'arn:aws:lambda:us-east-1:123456789012:function:rotate';
  const rotate = (token: string = randomUUID()) =>
    client.send(new RotateSecretCommand({ SecretId: 's', RotationLambdaARN: arn, ClientRequestToken: token }));

  it('makes an empty pending version and calls the function for each of the four steps', async () => {
    await create('s');
    const token = randomUUID();
    handler = async (event) => {
      if (JSON.stringify(event).includes('createSecret')) {
        await expect(
          client.send(new GetSecretValueCommand({ SecretId: 's', VersionStage: 'AWSPENDING' })),
        ).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
        await put('s', 'two', ['AWSCURRENT', 'AWSPENDING'], token);
      }
    };
    expect((await rotate(token)).VersionId).toBe(token);
    await aws.settled();
    expect(invoked.map(({ name }) => name)).toEqual(['rotate', 'rotate', 'rotate', 'rotate']);
    expect(invoked[0]?.event).toMatchObject({ Step: 'createSecret', ClientRequestToken: token });
    expect(aws.secrets.rotations()).toMatchObject([
      { outcome: 'rotated', steps: ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] },
    ]);
    expect(await client.send(new DescribeSecretCommand({ SecretId: 's' }))).toMatchObject({
      RotationEnabled: true,
      LastRotatedDate: time,
    });
    wait(HOUR);
    await rotate();
    await aws.settled();
  });

  it('shows a failed rotation, and refuses the next while the pending version is left over', async () => {
    await create('s');
    handler = async () => {
      throw new Error('no');
    };
    await rotate();
    await aws.settled();
    expect(aws.secrets.rotations()).toMatchObject([{ outcome: 'failed', error: 'createSecret: Error: no' }]);
    await expect(rotate()).rejects.toMatchObject({ name: 'InvalidRequestException' });
  });

  it('calls a rotation failed that never made its version current', async () => {
    await create('s');
    await rotate();
    await aws.settled();
    expect(aws.secrets.rotations()).toMatchObject([{ outcome: 'failed' }]);
  });

  it('wants a function', async () => {
    await create('s');
    await expect(client.send(new RotateSecretCommand({ SecretId: 's' }))).rejects.toMatchObject({
      name: 'InvalidRequestException',
    });
  });
});

describe('the local AWS', () => {
  it('refuses what it does not keep: binary values, other filters, schedules', async () => {
    const wrong = { name: 'InvalidParameterException' };
    const binary = new CreateSecretCommand({ Name: 'b', SecretBinary: Buffer.from([0, 255]) });
    await expect(client.send(binary)).rejects.toMatchObject(wrong);
    const byTag = new ListSecretsCommand({ Filters: [{ Key: 'tag-key', Values: ['a'] }] });
    await expect(client.send(byTag)).rejects.toMatchObject(wrong);
    const RotationRules = { ScheduleExpression: 'rate(4 hours)' };
    await expect(client.send(new RotateSecretCommand({ SecretId: 's', RotationRules }))).rejects.toMatchObject(wrong);
  });

  it('answers with an injected error before or after the effect', async () => {
    await create('s');
    const Throttling = { status: 400, code: 'ThrottlingException', message: 'Rate exceeded' };
    faults = (operation, phase) => (operation === 'PutSecretValue' && phase === 'before' ? Throttling : undefined);
    await expect(put('s', 'two')).rejects.toMatchObject({ name: 'ThrottlingException' });
    expect(aws.secrets.read('s')).toBe('one');
    faults = (operation, phase) => (operation === 'PutSecretValue' && phase === 'after' ? 'drop' : undefined);
    await expect(put('s', 'two')).rejects.toThrow();
    expect(aws.secrets.read('s')).toBe('two');
  });

  it('keeps every call in order until it is told to forget', async () => {
    await create('s');
    await put('s', 'two');
    expect(aws.calls.map(({ service, operation }) => `${service}:${operation}`)).toEqual([
      'secretsmanager:CreateSecret',
      'secretsmanager:PutSecretValue',
    ]);
    aws.forget();
    expect(aws.calls).toEqual([]);
  });

  it('refuses in the words of IAM, and allows again', async () => {
    await create('s');
    aws.access.deny([{ action: 'secretsmanager:put*' }]);
    await expect(put('s', 'two')).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringMatching(
        /^User: arn:aws:sts::123456789012:\S+ is not authorized to perform: secretsmanager:PutSecretValue on resource: s because no identity-based policy allows the secretsmanager:PutSecretValue action$/,
      ),
    });
    aws.access.deny([]);
    await put('s', 'two');
  });
});

describe('the door of the local AWS', () => {
  const post = (headers: Record<string, string>, path = '/') =>
    fetch(`${aws.url}${path}`, { method: 'POST', headers, body: '{}' });
  const signed = (service: string, region = 'us-east-1') =>
    `AWS4-HMAC-SHA256 Credential=local/20261124/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`;

  it('lets nobody in who does not sign, or signs for another service or Region', async () => {
    const target = { 'x-amz-target': 'secretsmanager.ListSecrets' };
    for (const authorization of [undefined, signed('ssm'), signed('secretsmanager', 'eu-west-1')]) {
      const response = await post({ ...target, ...(authorization !== undefined && { authorization }) });
      expect(response.status).toBe(403);
    }
    expect((await post({ ...target, authorization: signed('secretsmanager') })).status).toBe(200);
  });

  it('knows no operations but its own', async () => {
    const response = await post({ 'x-amz-target': 'secretsmanager.Nonsense', authorization: signed('secretsmanager') });
    expect([response.status, await response.json()]).toEqual([
      400,
      { __type: 'UnknownOperationException', Message: '' },
    ]);
    expect((await post({ authorization: signed('appflow') }, '/no-such-thing')).status).toBe(404);
    expect(
      (await post({ 'x-amz-target': 'DynamoDB_20120810.GetItem', authorization: signed('dynamodb') })).status,
    ).toBe(404);
  });

  it('tells a mistyped value from one outside its limits', async () => {
    const send = (body: string) =>
      fetch(aws.url, {
        method: 'POST',
        headers: { 'x-amz-target': 'secretsmanager.GetSecretValue', authorization: signed('secretsmanager') },
        body,
      }).then((response) => response.json());
    expect(await send('{"SecretId":7}')).toMatchObject({ __type: 'SerializationException' });
    expect(await send('{')).toMatchObject({ __type: 'SerializationException' });
    expect(await send('{}')).toMatchObject({
      __type: 'ValidationException',
      Message: "1 validation error detected: Value at 'secretId' failed to satisfy constraint: Member must not be null",
    });
  });
});
