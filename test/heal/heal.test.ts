import { describe, expect, it } from 'vitest';
import { type TestWorld, testWorld } from '../support/world.ts';

const heal = async (world: TestWorld, event: unknown) =>
  (await world.invoke('heal', event)) as { outcome: string; message: string; connections: { outcome: string }[] };
const starts = (world: TestWorld) =>
  world.aws.calls.flatMap(({ operation, input }) =>
    operation === 'StartFlow' ? [input as { clientToken?: string }] : [],
  );
const updates = (world: TestWorld) =>
  world.aws.calls.filter(({ operation }) => operation === 'UpdateConnectorProfile').length;

/** A world with a connection whose credentials ran out, and a flow on its profile. */
async function failing(triggerType: 'OnDemand' | 'Scheduled', rerun = 'true') {
  const world = await testWorld({ settings: { RERUN_FLOWS: rerun } });
  world.addJwt('sf');
  world.aws.appflow.flows.create({ flowName: 'accounts', connectorProfileName: 'sf', triggerType });
  return world;
}

describe('heal', () => {
  it('refreshes the connection of a failed on-demand flow and reruns it under the id of the event', async () => {
    const world = await failing('OnDemand');
    const event = await world.aws.appflow.flows.run('accounts');
    expect(event.detail['status']).toBe('Execution Failed');
    world.clock.turn(5);
    expect(await heal(world, event)).toMatchObject({ outcome: 'healed', connections: [{ outcome: 'refreshed' }] });
    expect(starts(world)).toMatchObject([{ clientToken: event.id }]);
    await world.aws.settled();
    expect(world.aws.appflow.flows.events().at(-1)?.detail['status']).toBe('Execution Successful');
  });

  it('leaves an active scheduled flow to its schedule and reactivates one that AppFlow deactivated', async () => {
    const world = await failing('Scheduled');
    const failed = await world.aws.appflow.flows.run('accounts');
    world.clock.turn(5);
    expect((await heal(world, failed)).message).toContain('runs again at its time');
    expect(starts(world)).toHaveLength(0);
    world.clock.turn(3600);
    const off = world.aws.appflow.flows.deactivate(
      'accounts',
      'The flow failed to authenticate with Salesforce too often.',
    );
    world.clock.turn(5);
    expect((await heal(world, off)).message).toContain('activated again');
    expect(world.aws.appflow.flows.find('accounts').status).toBe('Active');
  });

  it('refreshes without starting a flow when RERUN_FLOWS is off', async () => {
    const world = await failing('OnDemand', 'false');
    const event = await world.aws.appflow.flows.run('accounts');
    world.clock.turn(5);
    expect(await heal(world, event)).toMatchObject({ outcome: 'healed' });
    expect(starts(world)).toHaveLength(0);
  });

  it('reports nothing to do when the credential was under 15 minutes old at the start of the run', async () => {
    const world = await failing('OnDemand');
    await world.refresh(['sf']);
    world.salesforce.inactiveUser('integration@example.com', true);
    world.clock.turn(14 * 60);
    const event = await world.aws.appflow.flows.run('accounts');
    world.clock.turn(5);
    world.aws.forget();
    const report = await heal(world, event);
    expect(report).toMatchObject({ outcome: 'nothing-to-do' });
    expect(report.message).toContain('less than 15 minutes old');
    expect(updates(world)).toBe(0);
    expect(starts(world)).toHaveLength(0);
  });

  it('only reruns the flow when the profile was updated since the run started', async () => {
    const world = await failing('OnDemand');
    const event = await world.aws.appflow.flows.run('accounts');
    world.clock.turn(5);
    await world.refresh(['sf']);
    world.aws.forget();
    expect(await heal(world, event)).toMatchObject({ outcome: 'healed', connections: [{ outcome: 'up-to-date' }] });
    expect(updates(world)).toBe(0);
    expect(starts(world)).toHaveLength(1);
  });

  it('leaves a flow alone that failed for another reason, has no connection or is gone', async () => {
    const world = await failing('OnDemand');
    const event = await world.aws.appflow.flows.run('accounts');
    const other = { ...event, detail: { ...event.detail, error: 'The S3 bucket does not exist.' } };
    expect((await heal(world, other)).message).toContain('did not fail because of its credentials');
    const good = { ...event, detail: { ...event.detail, error: undefined, status: 'Execution Successful' } };
    expect(await heal(world, good)).toMatchObject({ outcome: 'nothing-to-do' });
    world.aws.appflow.putProfile({ name: 'marketo', connectorType: 'Marketo' });
    world.aws.appflow.flows.create({ flowName: 'strange', connectorProfileName: 'unserved' });
    const strange = { ...event, detail: { ...event.detail, 'flow-name': 'strange' } };
    expect((await heal(world, strange)).message).toContain('No connection names');
    const gone = { ...event, detail: { ...event.detail, 'flow-name': 'gone' } };
    expect((await heal(world, gone)).message).toContain('does not exist any more');
    expect(updates(world)).toBe(0);
  });

  it('starts no flow when only a person can mend its connection', async () => {
    const world = await testWorld({ settings: { RERUN_FLOWS: 'true' } });
    world.addJwt('sf', { username: 'nobody@example.com', handOver: 'ACCESS_TOKEN' });
    world.aws.appflow.flows.create({ flowName: 'accounts', connectorProfileName: 'sf' });
    const event = await world.aws.appflow.flows.run('accounts');
    world.clock.turn(5);
    expect(await heal(world, event)).toMatchObject({ outcome: 'failed' });
    expect(starts(world)).toHaveLength(0);
  });

  it('starts a flow once when its event comes twice', async () => {
    const world = await failing('OnDemand');
    const event = await world.aws.appflow.flows.run('accounts');
    world.clock.turn(5);
    await heal(world, event);
    await heal(world, event);
    expect(new Set(starts(world).map(({ clientToken }) => clientToken)).size).toBe(1);
    expect(updates(world)).toBe(1);
  });

  it('throws temporary failures for Lambda to retry, and INPUT_INVALID for any other event', async () => {
    const world = await failing('OnDemand');
    const event = await world.aws.appflow.flows.run('accounts');
    world.clock.turn(5);
    world.fault = ({ operation }, phase) =>
      operation === 'UpdateConnectorProfile' && phase === 'before'
        ? { status: 500, code: 'InternalServerException' }
        : undefined;
    await expect(world.invoke('heal', event)).rejects.toMatchObject({ name: 'APPFLOW_UNAVAILABLE' });
    await expect(world.invoke('heal', { ...event, 'detail-type': 'Other' })).rejects.toMatchObject({
      name: 'INPUT_INVALID',
    });
    await expect(world.invoke('heal', {})).rejects.toMatchObject({ name: 'INPUT_INVALID' });
  });
});
