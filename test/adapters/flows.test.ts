import { once } from 'node:events';
import { createServer } from 'node:http';
import { AppflowClient } from '@aws-sdk/client-appflow';
import { afterEach, expect, it } from 'vitest';
import { flowsInUse, flowUses } from '../../functions/adapters/flows.ts';
import type { Flow } from '../../functions/core/ports.ts';
import { startAws } from '../../infra/local/aws.ts';
import { fakeRun, rejectionOf } from '../support/rules.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

const flowOn = (...connectorProfileNames: string[]): Flow => ({
  connectorProfileNames,
  triggerType: 'Event',
  isActive: true,
  lastRunAt: undefined,
  profilesAt: { source: connectorProfileNames, destination: [] },
  errorTexts: [],
  hasOtherLogIn: false,
});

/** @param described what DescribeFlow finds; flows that are not in there were deleted since they were listed */
async function world(names: readonly string[], described: (name: string) => Flow | undefined) {
  const aws = await startAws({ now: () => new Date() });
  open.push(() => aws.close());
  for (const flowName of names) aws.appflow.flows.create({ flowName, connectorProfileName: 'any' });
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
  const client = new AppflowClient({ endpoint: aws.url, region: 'us-east-1', credentials, maxAttempts: 1 });
  let atOnce = 0;
  let most = 0;
  const inUse = flowsInUse(client, async (name) => {
    most = Math.max(most, ++atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    atOnce -= 1;
    return described(name);
  });
  const uses = flowUses(inUse);
  const lists = () => aws.calls.filter(({ operation }) => operation === 'ListFlows').length;
  return { aws, uses, inUse, lists, most: () => most };
}

it('finds the flows at both ends of each profile, by name, and leaves out what is gone', async () => {
  const { uses } = await world(['b', 'a', 'gone', 'c'], (name) =>
    name === 'gone' ? undefined : name === 'c' ? flowOn('one', 'two') : flowOn('one'),
  );
  const found = await uses(['one', 'two', 'three'], fakeRun());
  expect([...found].map(([profile, flows]) => [profile, flows.map(({ flowName }) => flowName)])).toEqual([
    ['one', ['a', 'b', 'c']],
    ['two', ['c']],
  ]);
});

it('tells 20 of a profile, page after page, and describes five at once', async () => {
  const names = Array.from({ length: 230 }, (_, n) => `flow-${n}`);
  const { uses, inUse, lists, most } = await world(names, () => flowOn('one'));
  const run = fakeRun();
  expect((await uses(['one'], run)).get('one')).toHaveLength(20);
  // Where one of them is switched off, it may be any.
  expect((await inUse(['one'], run)).get('one')).toHaveLength(230);
  expect([lists(), most()]).toEqual([3, 5]);
});

it('describes no more than 1,000', async () => {
  const names = Array.from({ length: 1_130 }, (_, n) => `flow-${n}`);
  let described = 0;
  const { uses, lists } = await world(names, () => {
    described += 1;
    return undefined;
  });
  await uses(['one'], fakeRun());
  expect([described, lists()]).toEqual([1_000, 10]);
});

it('describes only flows with Salesforce at an end', async () => {
  const flows = [
    { flowName: 'from', sourceConnectorType: 'Salesforce', destinationConnectorType: 'S3' },
    { flowName: 'to', sourceConnectorType: 'S3', destinationConnectorType: 'Salesforce' },
    { flowName: 'neither', sourceConnectorType: 'Slack', destinationConnectorType: 'S3' },
    { sourceConnectorType: 'Salesforce' },
  ];
  const server = createServer((_request, response) =>
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ flows })),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
  const client = new AppflowClient({ endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', credentials });
  open.push(async () => {
    client.destroy();
    server.close();
  });
  const described: string[] = [];
  const uses = flowsInUse(client, async (name) => {
    described.push(name);
    return flowOn('one');
  });
  await uses(['one'], fakeRun());
  expect(described).toEqual(['from', 'to']);
});

it('shows of a schedule what fits into a line', async () => {
  const { uses } = await world(['a', 'b'], (name) => ({
    ...flowOn('one'),
    triggerType: 'Scheduled',
    schedule: name === 'a' ? 'rate(1hours)' : `cron(${'x'.repeat(300)}\n)`,
  }));
  const [short, long] = (await uses(['one'], fakeRun())).get('one') ?? [];
  expect(short?.trigger).toBe('Scheduled rate(1hours)');
  expect(long?.trigger).toMatch(/^Scheduled cron\(x+…$/);
  expect(long?.trigger).toHaveLength(120);
});

it('asks once a run, and anew in the next', async () => {
  const { uses, lists } = await world(['a'], () => flowOn('one'));
  const run = fakeRun();
  await Promise.all([uses(['one'], run), uses(['two'], run)]);
  expect(lists()).toBe(1);
  await uses(['one'], { ...run, id: 'run-2' });
  expect(lists()).toBe(2);
});

it('is refused as any call is', async () => {
  const { aws, uses } = await world([], () => undefined);
  aws.access.deny([{ action: 'appflow:ListFlows' }]);
  expect(await rejectionOf(uses(['one'], fakeRun()))).toMatchObject({
    code: 'ACCESS_DENIED',
    message: 'appflow:ListFlows on * is denied.',
  });
});
