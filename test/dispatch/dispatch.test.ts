import { describe, expect, it } from 'vitest';
import { QUEUE } from '../../infra/local/world.ts';
import { START, testWorld } from '../support/world.ts';

const thrown = (promise: Promise<unknown>) =>
  promise.then(
    () => 'nothing',
    (error: Error) => error.name,
  );

describe('dispatch', () => {
  it('enqueues due connections and names missing and shared profiles', async () => {
    const world = await testWorld();
    world.addJwt('due');
    world.addJwt('fresh', {}, { 'refresh-interval-seconds': '7200' });
    world.clock.turn(-10);
    world.aws.secrets.create({ name: 'appflow-token-refresher/lost', value: '{}' });
    world.addJwt('x', {}, { 'connector-profile-name': 'both' });
    world.addJwt('y', {}, { 'connector-profile-name': 'both' });
    world.addJwt('marketo');
    world.aws.appflow.putProfile({ name: 'marketo', connectorType: 'Marketo' });
    world.clock.turn(10);
    // The secrets were made just now, so a person wants them served: settle that first.
    for (const name of ['due', 'fresh'])
      world.aws.appflow.putProfile({ name, createdAt: new Date(0), lastUpdatedAt: START });
    world.clock.turn(3600);
    const scheduledTime = new Date(world.clock.now()).toISOString();
    expect(await world.invoke('dispatch', { scheduledTime })).toEqual({
      connections: 6,
      due: 1,
      enqueued: 1,
      missingProfiles: ['lost', 'marketo'],
      sharedProfiles: ['both'],
    });
    expect(world.aws.queue.messages(QUEUE).map(({ body }) => JSON.parse(body))).toEqual([
      { connection: 'due', connectorProfileName: 'due', intervalSeconds: 3600, scheduledTime },
    ]);
  });

  it('reads no secret value', async () => {
    const world = await testWorld();
    world.addJwt('a');
    await world.invoke('dispatch', {});
    expect(world.aws.calls.map(({ operation }) => operation).filter((name) => /SecretValue/.test(name))).toEqual([]);
  });

  it('enqueues every connection when forced, even twice in a row', async () => {
    const world = await testWorld();
    world.addJwt('a');
    await world.tick();
    expect(await world.invoke('dispatch', {})).toMatchObject({ connections: 1, due: 0 });
    expect(await world.invoke('dispatch', { force: true })).toMatchObject({ due: 1, enqueued: 1 });
    expect(await world.invoke('dispatch', { force: true })).toMatchObject({ due: 1, enqueued: 1 });
    expect(world.aws.queue.messages(QUEUE)).toHaveLength(2);
  });

  it('enqueues a connection once when the same tick comes twice', async () => {
    const world = await testWorld();
    world.addJwt('a');
    await world.invoke('dispatch', { scheduledTime: START.toISOString() });
    await world.invoke('dispatch', { scheduledTime: START.toISOString() });
    expect(world.aws.queue.messages(QUEUE)).toHaveLength(1);
  });

  it('throws INPUT_INVALID for a wrong event and SETTINGS_INVALID without a queue', async () => {
    const world = await testWorld();
    expect(await thrown(world.invoke('dispatch', { scheduledTime: 'soon' }))).toBe('INPUT_INVALID');
    expect(await thrown(world.invoke('dispatch', { force: true, foo: 1 }))).toBe('INPUT_INVALID');
    const blind = await testWorld();
    delete process.env['QUEUE_URL'];
    expect(await thrown(blind.invoke('dispatch', {}))).toBe('SETTINGS_INVALID');
  });

  it('skips a connection with a wrong tag and enqueues the others', async () => {
    const world = await testWorld();
    world.addJwt('a');
    world.addJwt('b', {}, { 'refresh-interval-seconds': 'hourly' });
    expect(await world.invoke('dispatch', {})).toMatchObject({ connections: 2, due: 1, enqueued: 1 });
  });
});
