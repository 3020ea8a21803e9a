import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../infra/local/aws.ts';
import { RawReply } from '../../infra/local/wire/replies.ts';

let aws: LocalAws;
beforeEach(async () => {
  aws = await startAws({ now: () => new Date('2026-11-24T08:00:00Z') });
});
afterEach(() => aws.close());

/** An answer as it goes over the wire: an SDK would drop some of what is in it. */
async function wire(target: string, input: object): Promise<Record<string, unknown>> {
  const service = target.startsWith('AmazonSSM') ? 'ssm' : 'secretsmanager';
  const authorization = `AWS4-HMAC-SHA256 Credential=x/20261124/us-east-1/${service}/aws4_request`;
  const headers = { 'x-amz-target': target, authorization };
  const response = await fetch(aws.url, { method: 'POST', headers, body: JSON.stringify(input) });
  return JSON.parse(await response.text());
}
const batch = (...SecretIdList: string[]) => wire('secretsmanager.BatchGetSecretValue', { SecretIdList });
const list = (input: object = {}) => wire('secretsmanager.ListSecrets', input);

describe('the local services can be told', () => {
  it('how the errors of a batch name their secrets', async () => {
    const { arn } = aws.secrets.create({ name: 'empty' });
    const named = async () =>
      ((await batch('empty', 'gone'))['Errors'] as { SecretId: unknown }[]).map((one) => one.SecretId);
    expect(await named()).toEqual(['gone', 'empty']);
    aws.forms.ids = 'ARN';
    expect(await named()).toEqual(['gone', arn]);
    aws.forms.ids = 'ARN without suffix';
    expect(await named()).toEqual(
      ['gone', 'empty'].map((name) => `arn:aws:secretsmanager:us-east-1:123456789012:secret:${name}`),
    );
    aws.forms.ids = 'null';
    expect(await named()).toEqual([null, null]);
  });

  it('what stands for nothing', async () => {
    expect(await list()).toEqual({ SecretList: [] });
    aws.forms.empty = 'left out';
    expect(await list()).toEqual({});
    aws.forms.empty = 'null';
    expect(await list()).toEqual({ SecretList: null, NextToken: null });
    aws.secrets.create({ name: 'a' });
    expect(await list()).toMatchObject({ SecretList: [{ Name: 'a', Description: null, Tags: null }], NextToken: null });
  });

  it('to put an empty page before each page, whose token leads on', async () => {
    aws.forms.emptyPages = true;
    for (const name of ['a', 'b']) aws.secrets.create({ name });
    const sizes: number[] = [];
    let NextToken: unknown;
    do {
      const answer = await list({ MaxResults: 1, ...(NextToken === undefined ? {} : { NextToken }) });
      sizes.push((answer['SecretList'] as unknown[]).length);
      NextToken = answer['NextToken'];
    } while (NextToken !== undefined);
    expect(sizes).toEqual([0, 1, 0, 1]);
    expect(await wire('AmazonSSM.DescribeParameters', {})).toMatchObject({
      Parameters: [],
      NextToken: expect.any(String),
    });
  });

  it('any answer at all, also in the place of an error', async () => {
    aws.forms.retell = ({ operation }, body) =>
      operation === 'ListSecrets'
        ? { said: body }
        : operation === 'GetSecretValue'
          ? new RawReply(200, {}, '[1]')
          : undefined;
    expect(await list()).toEqual({ said: { SecretList: [] } });
    expect(await wire('secretsmanager.GetSecretValue', { SecretId: 'gone' })).toEqual([1]);
    expect(await batch('gone')).toMatchObject({ Errors: [{ ErrorCode: 'ResourceNotFoundException' }] });
  });
});
