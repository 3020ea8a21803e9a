import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { beforeEach, describe, expect, it } from 'vitest';
import { captureOutput } from '../../infra/local/output.ts';
import { type TestWorld, testWorld } from '../support/world.ts';

beforeEach(() => {
  process.env['POWERTOOLS_LOG_LEVEL'] = 'DEBUG';
  process.env['POWERTOOLS_METRICS_DISABLED'] = 'false';
});

/** What the handlers really wrote while `run` ran. */
async function output(run: () => Promise<unknown>) {
  const { lines } = await captureOutput(run);
  const objects = lines
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    text: lines.join('\n'),
    logs: objects.filter((line) => 'level' in line),
    /** The last value of a metric, as CloudWatch would read it from the log. */
    metric(name: string, dimensions: Record<string, string> = {}): number | undefined {
      const value = objects
        .filter((line) => '_aws' in line && name in line)
        .filter((line) => Object.entries(dimensions).every(([key, wanted]) => line[key] === wanted))
        .at(-1)?.[name];
      return Array.isArray(value)
        ? value.reduce((sum: number, one: number) => sum + one, 0)
        : (value as number | undefined);
    },
  };
}
const tick = (world: TestWorld) => output(() => world.tick());

describe('the gauges of every tick', () => {
  it('are zero when every connection is healthy', async () => {
    const world = await testWorld();
    world.addJwt('a');
    world.addJwt('b');
    await world.tick();
    world.clock.turn(300);
    const { metric } = await tick(world);
    for (const name of [
      'OverdueConnections',
      'OldestOverdueSeconds',
      'MissingProfiles',
      'SharedProfiles',
      'TokensInEscrow',
    ]) {
      expect(metric(name, { service: 'appflow-token-refresher' }), name).toBe(0);
    }
    expect(metric('Connections')).toBe(2);
  });

  it('report by name a connection that is overdue by a quarter of its interval, until it is served', async () => {
    const world = await testWorld();
    world.addJwt(
      'sf',
      { username: 'nobody@example.com', handOver: 'ACCESS_TOKEN' },
      { 'refresh-interval-seconds': '7200' },
    );
    // Due an hour from now.
    world.clock.turn(3600 + 1800);
    expect((await tick(world)).metric('OverdueConnections')).toBe(0);
    world.clock.turn(1);
    const late = await tick(world);
    expect(late.metric('OverdueConnections')).toBe(1);
    expect(late.metric('OldestOverdueSeconds')).toBe(1801);
    expect(late.logs).toContainEqual(
      expect.objectContaining({ connection: 'sf', overdueSeconds: 1801, level: 'WARN' }),
    );
    const secret = JSON.parse(world.aws.secrets.read('appflow-token-refresher/sf') ?? '');
    world.aws.secrets.put(
      'appflow-token-refresher/sf',
      JSON.stringify({ ...secret, username: 'integration@example.com' }),
    );
    await world.tick();
    world.clock.turn(300);
    expect((await tick(world)).metric('OverdueConnections')).toBe(0);
  });

  it('report missing profiles, shared profiles and wrong tags, each with code and hint', async () => {
    const world = await testWorld();
    world.addJwt('lost');
    world.aws.appflow.removeProfile('lost');
    world.addJwt('x', {}, { 'connector-profile-name': 'both' });
    world.addJwt('y', {}, { 'connector-profile-name': 'both' });
    world.addJwt('typo', {}, { 'refresh-interval-seconds': 'hourly' });
    const { metric, logs } = await tick(world);
    expect(metric('MissingProfiles')).toBe(1);
    expect(metric('SharedProfiles')).toBe(1);
    expect(metric('OverdueConnections')).toBe(1);
    for (const [connection, code] of [
      ['lost', 'PROFILE_NOT_FOUND'],
      ['y', 'PROFILE_SHARED'],
      ['typo', 'SECRET_MALFORMED'],
    ]) {
      expect(logs).toContainEqual(
        expect.objectContaining({ connection, code, hint: expect.any(String), level: 'ERROR' }),
      );
    }
  });

  it('report a token in escrow until it reaches its secret', async () => {
    const world = await testWorld({ rotation: true });
    await world.addCode('sf');
    await world.refresh(['sf']);
    let rotated = false;
    world.fault = ({ operation }, phase) => {
      if (operation === 'token:refresh_token' && phase === 'after') rotated = true;
      return rotated && phase === 'before' && operation === 'PutSecretValue'
        ? { status: 500, code: 'InternalServiceError' }
        : undefined;
    };
    const failed = await output(() => world.refresh(['sf']));
    expect(failed.metric('Failed', { code: 'TOKEN_NOT_PERSISTED' })).toBe(1);
    const during = await tick(world);
    expect(during.metric('TokensInEscrow')).toBe(1);
    expect(during.logs).toContainEqual(
      expect.objectContaining({ connection: 'sf', message: expect.stringContaining('waits in escrow') }),
    );
    world.fault = undefined;
    // The lease was not released: it runs out when no request under it can arrive any more.
    world.clock.turn(110);
    await world.refresh(['sf']);
    expect((await tick(world)).metric('TokensInEscrow')).toBe(0);
  });

  it('count in escrow only what is called as a connection can be, and log no other name', async () => {
    const world = await testWorld();
    const client = new SSMClient({ endpoint: world.aws.url, region: 'us-east-1' });
    // Spelled as ours are: a line break, and a character that a terminal obeys.
    for (const name of ['sf', 'x_0ay', 'x_9by', '-x'])
      await client.send(
        new PutParameterCommand({
          Name: `/appflow-token-refresher/escrow/${name}`,
          Value: 'x',
          Type: 'SecureString',
        }),
      );
    client.destroy();
    const { metric, logs } = await tick(world);
    expect(metric('TokensInEscrow')).toBe(1);
    expect(logs.filter(({ message }) => String(message).includes('escrow'))).toHaveLength(1);
  });

  it('are sent without those of escrow when Parameter Store denies access', async () => {
    const world = await testWorld();
    world.addJwt('a');
    world.aws.access.deny([{ action: 'ssm:DescribeParameters' }]);
    const { metric, logs } = await tick(world);
    expect(metric('Connections')).toBe(1);
    expect(metric('TokensInEscrow')).toBeUndefined();
    expect(logs).toContainEqual(expect.objectContaining({ code: 'ACCESS_DENIED', level: 'ERROR' }));
  });
});

describe('the telemetry of a refresh', () => {
  it('counts refreshed connections, failures by code, and calls to AWS', async () => {
    const world = await testWorld();
    for (const name of ['a', 'b', 'c']) world.addJwt(name);
    world.addJwt('broken', { username: 'nobody@example.com', handOver: 'ACCESS_TOKEN' });
    const { metric } = await output(() => world.refresh(['a', 'b', 'c', 'broken']));
    expect(metric('Refreshed')).toBe(3);
    expect(metric('Failed', { code: 'SALESFORCE_REFUSED', service: 'appflow-token-refresher' })).toBe(1);
    expect(metric('AwsCalls')).toBe(world.aws.calls.length);
  });

  it('logs one line per connection with request, outcome, code and hint', async () => {
    const world = await testWorld();
    world.addJwt('a');
    world.addJwt('broken', { username: 'nobody@example.com', handOver: 'ACCESS_TOKEN' });
    const { logs } = await output(() => world.refresh(['a', 'broken']));
    expect(logs.filter(({ connection }) => connection === 'a')).toEqual([
      expect.objectContaining({
        level: 'INFO',
        message: 'a: refreshed',
        outcome: 'refreshed',
        function_request_id: expect.any(String),
      }),
    ]);
    expect(logs.filter(({ connection }) => connection === 'broken')).toEqual([
      expect.objectContaining({
        level: 'ERROR',
        outcome: 'failed',
        code: 'SALESFORCE_REFUSED',
        retryable: false,
        hint: expect.stringContaining('Pre-authorise'),
        causes: ['SALESFORCE_REFUSED'],
      }),
    ]);
  });
});

describe('what is told of a connection', () => {
  it('is in the log too, with what went wrong in telling', async () => {
    const world = await testWorld();
    world.addJwt('sf');
    world.clock.turn(7_200);
    world.fault = ({ operation }) =>
      ['ListFlows', 'PutEvents'].includes(operation) ? { status: 500, code: 'InternalServerException' } : undefined;
    const { logs } = await output(() => world.refresh(['sf']));
    expect(logs.filter(({ level }) => level !== 'INFO' && level !== 'DEBUG')).toMatchObject([
      {
        level: 'WARN',
        connection: 'sf',
        notice: 'Connection Recovered',
        message: expect.stringMatching(/^Connection Recovered: sf /),
      },
      { level: 'WARN', code: 'APPFLOW_UNAVAILABLE', message: expect.stringContaining('appflow:ListFlows') },
      {
        level: 'WARN',
        code: 'APPFLOW_UNAVAILABLE',
        message: expect.stringMatching(
          /events:PutEvents .* → No refresh is concerned, and what was to be told is in this log alone\./,
        ),
      },
    ]);
  });
});
