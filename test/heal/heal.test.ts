import { describe, expect, it, vi } from 'vitest';
import { errorFrom } from '../../infra/local/appflow/flows.ts';
import { captureOutput } from '../../infra/local/output.ts';
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
async function failing(triggerType: 'OnDemand' | 'Scheduled' | 'Event', rerun = 'true') {
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
    expect((await heal(world, other)).message).toContain('did not fail because of its credentials at Salesforce');
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

  it.each(['Scheduled', 'Event'] as const)(
    'heals a flow that AppFlow deactivated, whatever the event says of the reason: %s',
    async (triggerType) => {
      const session = errorFrom('Source Salesforce', 'Session expired or invalid, ErrorCode: INVALID_SESSION_ID.');
      for (const [reason, said] of [
        [session, undefined],
        [null, session],
        [undefined, session],
        ['The flow failed 3 times in a row.', session],
      ] as const) {
        const world = await failing(triggerType);
        const off = world.aws.appflow.flows.deactivate('accounts', reason, said);
        expect(off['detail-type']).toBe(`AppFlow ${triggerType} Flow Deactivated`);
        world.clock.turn(5);
        expect(await heal(world, off)).toMatchObject({ outcome: 'healed', connections: [{ outcome: 'refreshed' }] });
        expect(world.aws.appflow.flows.find('accounts').status).toBe('Active');
      }
    },
  );

  it.each([
    errorFrom('Destination Redshift', 'password authentication failed for user "etl"'),
    'User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::b',
    errorFrom('Source Salesforce', "INVALID_FIELD: No such column 'AccessToken__c'"),
    'Nobody has ever seen this text.',
    null,
    undefined,
  ])('spends and starts nothing where the run failed for %s', async (error) => {
    const world = await failing('OnDemand');
    const event = world.aws.appflow.flows.fail('accounts', error);
    world.clock.turn(5);
    expect(await heal(world, event)).toMatchObject({ outcome: 'nothing-to-do', connections: [] });
    expect([updates(world), starts(world)]).toEqual([0, []]);
  });

  it('spends nothing for a refusal that a destination with a log-in of its own may have meant', async () => {
    const world = await failing('OnDemand');
    const destinations = {
      Snowflake: { connectorProfileName: 'lake' },
      Redshift: { connectorProfileName: 'dwh' },
      EventBridge: {},
    };
    for (const [connectorType, profile] of Object.entries(destinations)) {
      world.aws.appflow.flows.create({
        flowName: 'copy',
        connectorProfileName: 'sf',
        destination: { connectorType, ...profile },
      });
      const event = world.aws.appflow.flows.fail('copy', 'Error authenticating to connector: Unauthorized (401)');
      world.clock.turn(5);
      const outcome = connectorType === 'EventBridge' ? 'healed' : 'nothing-to-do';
      expect(await heal(world, event), connectorType).toMatchObject({ outcome });
    }
    expect(updates(world)).toBe(1);
  });

  it('takes a run that somebody cancelled for none that failed', async () => {
    const world = await failing('OnDemand');
    const event = world.aws.appflow.flows.fail('accounts', null, 'INVALID_SESSION_ID');
    const cancelled = { ...event, detail: { ...event.detail, status: 'Execution Canceled' } };
    expect(await heal(world, cancelled)).toMatchObject({ message: 'This run did not fail; nothing to do.' });
  });

  it('refreshes the destination where that is what failed to log in', async () => {
    const world = await failing('OnDemand');
    world.addJwt('to');
    world.aws.appflow.flows.create({
      flowName: 'copy',
      connectorProfileName: 'sf',
      destination: { connectorType: 'Salesforce', connectorProfileName: 'to' },
    });
    const event = world.aws.appflow.flows.fail('copy', errorFrom('Destination Salesforce', 'INVALID_SESSION_ID'));
    world.clock.turn(5);
    expect(await heal(world, event)).toMatchObject({ connections: [{ connection: 'to', outcome: 'refreshed' }] });
  });

  it('logs what is unknown once, as a warning that repeats nothing of it', async () => {
    vi.stubEnv('POWERTOOLS_LOG_LEVEL', 'INFO');
    const world = await failing('OnDemand');
    vi.unstubAllEnvs();
    const event = world.aws.appflow.flows.fail('accounts', 'user etl@acme.example: ErrorCode: FLUX_LOST');
    const { result, lines } = await captureOutput(() => heal(world, event));
    const warnings = lines.filter((line) => line.includes('accounts'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('"level":"WARN"');
    expect(warnings[0]).toContain('codes FLUX_LOST');
    expect(`${lines.join()}${JSON.stringify(result)}`).not.toContain('etl@');
  });

  it('takes events whose members are null, empty or absent where they are not needed', async () => {
    const world = await failing('OnDemand', 'false');
    const event = await world.aws.appflow.flows.run('accounts');
    world.clock.turn(5);
    for (const [key, value] of [
      ['start-time', null],
      ['start-time', ''],
      ['start-time', undefined],
      ['start-time', '2026-11-24T03:00:00.000Z[GMT+00:00]'],
      ['deactivation-reason', null],
      ['status', null],
      ['status', undefined],
      ['created-by', null],
    ] as const)
      expect((await heal(world, { ...event, detail: { ...event.detail, [key]: value } })).outcome).toBe('healed');
    const well = { ...event.detail, status: 'Execution Successful' };
    expect((await heal(world, { ...event, detail: well })).message).toContain('did not fail; nothing');
  });
});
