import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type LocalAws, startAws } from '../../infra/local/aws.ts';

const GROUP = '/aws/lambda/x';
let time: Date;
let aws: LocalAws;
let client: CloudWatchLogsClient;

beforeEach(async () => {
  time = new Date('2026-11-24T09:00:00.000Z');
  aws = await startAws({ now: () => time });
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  client = new CloudWatchLogsClient({ endpoint: aws.url, region: 'us-east-1', credentials, maxAttempts: 1 });
  aws.logs.create(GROUP);
});
afterEach(() => aws.close());

const filter = (more: Partial<ConstructorParameters<typeof FilterLogEventsCommand>[0]> = {}) =>
  client.send(new FilterLogEventsCommand({ logGroupName: GROUP, ...more }));
const messages = async (more?: Parameters<typeof filter>[0]) =>
  (await filter(more)).events?.map(({ message }) => message);

it('finds the lines whose member equals a text, with * for any characters, and no line that is not JSON', async () => {
  for (const line of ['{"connection":"a"}', 'REPORT RequestId: 1', '{"connection":"ab"}', '{"connection":7}', '{}'])
    aws.logs.put(GROUP, line);
  expect(await messages({ filterPattern: '{ $.connection = "a" }' })).toEqual(['{"connection":"a"}']);
  expect(await messages({ filterPattern: '{ $.connection = "*" }' })).toEqual([
    '{"connection":"a"}',
    '{"connection":"ab"}',
  ]);
  expect(await messages()).toHaveLength(5);
});

it('includes both ends of the time', async () => {
  for (const minute of [0, 1, 2]) {
    time = new Date(Date.UTC(2026, 10, 24, 9, minute));
    aws.logs.put(GROUP, `line ${minute}`);
  }
  const at = (minute: number) => Date.UTC(2026, 10, 24, 9, minute);
  expect(await messages({ startTime: at(1), endTime: at(2) })).toEqual(['line 1', 'line 2']);
  await expect(filter({ startTime: at(2), endTime: at(1) })).rejects.toMatchObject({
    name: 'InvalidParameterException',
  });
});

it('pages what it has searched, even where nothing was found there, with tokens of that query alone', async () => {
  for (let n = 0; n < 600; n++) aws.logs.put(GROUP, `{"connection":"${n === 599 ? 'last' : 'other'}"}`);
  const filterPattern = '{ $.connection = "last" }';
  const { events, nextToken } = await filter({ filterPattern });
  expect(events).toEqual([]);
  expect(await messages({ filterPattern, nextToken })).toEqual(['{"connection":"last"}']);
  await expect(filter({ filterPattern: '', nextToken })).rejects.toMatchObject({ name: 'InvalidParameterException' });
});

it('refuses what it does not know: a group, a pattern, a caller', async () => {
  await expect(filter({ logGroupName: '/aws/lambda/y' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  await expect(filter({ filterPattern: '{ $.a = "b" && $.c = "d" }' })).rejects.toMatchObject({
    name: 'InvalidParameterException',
  });
  await expect(filter({ limit: 10_001 })).rejects.toMatchObject({ name: 'ValidationException' });
  aws.access.deny([{ action: 'logs:FilterLogEvents' }]);
  await expect(filter()).rejects.toMatchObject({ name: 'AccessDeniedException' });
});
