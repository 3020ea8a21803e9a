import { decodeJwt } from 'jose';
import { describe, expect, it } from 'vitest';
import { DEAD_LETTERS, QUEUE } from '../../infra/local/world.ts';
import { APP, PUBLIC_KEY, START, type TestWorld, testWorld, USER } from '../support/world.ts';

const updated = (world: TestWorld) =>
  world.aws.calls.filter(({ operation }) => operation === 'UpdateConnectorProfile').length;
const message = (connection: string, extra: Record<string, unknown> = {}) => ({
  body: JSON.stringify({
    connection,
    connectorProfileName: connection,
    intervalSeconds: 3600,
    scheduledTime: START.toISOString(),
    ...extra,
  }),
});
const drain = (world: TestWorld) => world.serveQueue();

describe('the cycle of dispatch, queue and refresh', () => {
  it('refreshes 250 connections once each, with at most 1.3 AWS calls per connection besides the queue', async () => {
    const world = await testWorld();
    for (let n = 0; n < 250; n++) world.addJwt(`c${n}`);
    await world.tick();
    expect(updated(world)).toBe(250);
    const calls = world.aws.calls.filter(({ service }) => service !== 'sqs').length;
    process.stdout.write(
      `250 connections: ${calls} AWS calls beyond the queue's, ${(calls / 250).toFixed(3)} a connection\n`,
    );
    expect(calls / 250).toBeLessThanOrEqual(1.3);
    expect(world.aws.queue.messages(QUEUE)).toHaveLength(0);
  });

  it('leaves a refreshed connection alone until its interval is over', async () => {
    const world = await testWorld();
    world.addJwt('jwt');
    world.addJwt('token', { handOver: 'ACCESS_TOKEN' });
    await world.tick();
    expect(updated(world)).toBe(2);
    for (let tick = 1; tick < 12; tick++) {
      world.clock.turn(300);
      await world.tick();
    }
    expect(updated(world)).toBe(2);
    world.clock.turn(300);
    await world.tick();
    expect(updated(world)).toBe(4);
  });

  it('tries a failing connection after 0, 1, 3, 7 and 15 ticks, and at once when its secret changes', async () => {
    const world = await testWorld();
    world.addJwt('a', { username: 'nobody@example.com', handOver: 'ACCESS_TOKEN' });
    const attempts: number[] = [];
    for (let tick = 0; tick <= 15; tick++) {
      world.salesforce.forget();
      await world.tick();
      if (world.salesforce.calls.length > 0) attempts.push(tick);
      world.clock.turn(300);
    }
    expect(attempts).toEqual([0, 1, 3, 7, 15]);
    world.salesforce.forget();
    const secret = JSON.parse(world.aws.secrets.read('appflow-token-refresher/a') ?? '');
    world.aws.secrets.put(
      'appflow-token-refresher/a',
      JSON.stringify({ ...secret, username: 'integration@example.com' }),
    );
    await world.tick();
    expect(world.salesforce.calls.length).toBeGreaterThan(0);
    expect(await world.aws.appflow.useConnection('a')).toMatchObject({ ok: true });
  });

  it('retries a temporary failure and then moves it to the dead-letter queue', async () => {
    const world = await testWorld();
    world.addJwt('a');
    world.fault = (call, phase) =>
      phase === 'before' && call.operation === 'UpdateConnectorProfile'
        ? { status: 500, code: 'InternalServerException' }
        : undefined;
    await world.tick();
    expect(world.aws.queue.messages(QUEUE)).toHaveLength(1);
    world.clock.turn(271);
    await drain(world);
    world.clock.turn(271);
    await drain(world);
    expect(world.aws.queue.messages(QUEUE)).toHaveLength(0);
    expect(world.aws.queue.messages(DEAD_LETTERS)).toHaveLength(1);
  });

  it('never retries a failure that only a person can mend', async () => {
    const world = await testWorld();
    world.addJwt('a', { username: 'nobody@example.com', handOver: 'ACCESS_TOKEN' });
    await world.tick();
    expect(world.aws.queue.messages(QUEUE)).toHaveLength(0);
    expect(world.aws.queue.messages(DEAD_LETTERS)).toHaveLength(0);
  });

  it('moves a foreign message to the dead-letter queue and serves the rest of its batch', async () => {
    const world = await testWorld();
    world.addJwt('a');
    const strangers = [
      'not json',
      '{}',
      '[]',
      JSON.stringify({ connection: 'a' }),
      message('a', { extra: 1 }).body,
      message('a', { intervalSeconds: '60' }).body,
    ];
    strangers.forEach((body, n) => {
      world.aws.queue.send(QUEUE, { body, groupId: `g${n}`, deduplicationId: `${n}` });
    });
    world.aws.queue.send(QUEUE, { ...message('a'), groupId: 'h', deduplicationId: 'h' });
    await drain(world);
    expect(updated(world)).toBe(1);
    for (let round = 0; round < 2; round++) {
      world.clock.turn(271);
      await drain(world);
    }
    expect(world.aws.queue.messages(QUEUE)).toHaveLength(0);
    expect(world.aws.queue.messages(DEAD_LETTERS)).toHaveLength(6);
    expect(updated(world)).toBe(1);
  });

  it('refreshes a connection once when its message comes twice or it is twice in a batch', async () => {
    const world = await testWorld();
    world.addJwt('a');
    for (const id of ['1', '2']) world.aws.queue.send(QUEUE, { ...message('a'), groupId: 'g', deduplicationId: id });
    world.clock.turn(1);
    await drain(world);
    world.aws.queue.send(QUEUE, { ...message('a'), groupId: 'g', deduplicationId: '3' });
    await drain(world);
    expect(updated(world)).toBe(1);
    expect(world.aws.queue.messages(QUEUE)).toHaveLength(0);
  });

  it('follows the later of two ticks when a connection is twice in a batch', async () => {
    const world = await testWorld();
    world.addJwt('a');
    const later = new Date(START.getTime() + 300_000).toISOString();
    // Updated between the two ticks: only the later one asks for more.
    world.aws.appflow.putProfile({
      name: 'a',
      createdAt: new Date(0),
      lastUpdatedAt: new Date(START.getTime() + 100_000),
    });
    world.clock.turn(310);
    for (const [id, extra] of [
      ['1', { scheduledTime: later }],
      ['2', {}],
    ] as const) {
      world.aws.queue.send(QUEUE, { ...message('a', extra), groupId: 'g', deduplicationId: id });
    }
    await drain(world);
    expect(updated(world)).toBe(1);
  });

  it('serves a profile updated at the moment of the tick, but skips one updated after it', async () => {
    const world = await testWorld();
    for (const [name, milliseconds] of [
      ['at', 0],
      ['after', 1],
    ] as const) {
      world.addJwt(name);
      world.aws.appflow.putProfile({
        name,
        createdAt: new Date(0),
        lastUpdatedAt: new Date(START.getTime() + milliseconds),
      });
      world.aws.queue.send(QUEUE, { ...message(name), groupId: name, deduplicationId: name });
    }
    await drain(world);
    expect(updated(world)).toBe(1);
  });

  it('serves the others of a batch while one of them hangs', async () => {
    const world = await testWorld();
    world.salesforce.registerApp({ clientId: APP, certificates: [PUBLIC_KEY], users: [USER, 'slow@example.com'] });
    world.addJwt('slow', { handOver: 'ACCESS_TOKEN', username: 'slow@example.com' });
    for (const name of ['a', 'b', 'c']) world.addJwt(name);
    const order: string[] = [];
    const { promise: others, resolve: free } = Promise.withResolvers<void>();
    world.fault = async ({ operation, input }, phase) => {
      const isSlow =
        operation === 'token:jwt-bearer' &&
        decodeJwt((input as { assertion: string }).assertion).sub === 'slow@example.com';
      if (isSlow && phase === 'before') await others;
      if (operation !== 'UpdateConnectorProfile' || phase !== 'after') return undefined;
      order.push((input as { connectorProfileName: string }).connectorProfileName);
      if (order.length === 3) free();
      return undefined;
    };
    await world.tick();
    expect(order.slice(0, 3).sort()).toEqual(['a', 'b', 'c']);
    expect(order[3]).toBe('slow');
  });
});
