import { AppflowClient, UpdateConnectorProfileCommand } from '@aws-sdk/client-appflow';
import { describe, expect, it } from 'vitest';
import { TRAIL } from '../../infra/local/cloudtrail/cloudtrail.ts';
import { ownRoleArns, rules } from '../../infra/local/deployment.ts';
import { matches } from '../../infra/local/events/pattern.ts';
import type { BusEvent } from '../../infra/local/wire/events.ts';
import { type TestWorld, testWorld } from '../support/world.ts';

const credentials = { oAuth2GrantType: 'JWT_BEARER', jwtToken: 'a.b.c' } as const;
/** Where each event so far goes. */
const targetsIn = (world: TestWorld) => world.aws.events.all().map(targetsOf);
const targetsOf = (event: BusEvent) =>
  rules.flatMap(({ pattern, target }) =>
    matches(pattern, event) ? ['inputPath' in target ? 'topic' : target.functionName] : [],
  );

/** An update over HTTP of a program that calls itself so. */
async function updateAs(world: TestWorld, accessKeyId: string, agent: [string, string]): Promise<void> {
  const client = new AppflowClient({
    endpoint: world.aws.url,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey: 'x' },
    customUserAgent: [agent],
    maxAttempts: 1,
  });
  const input = { connectorProfileName: 'sf', connectionMode: 'Public', connectorProfileConfig: {} } as const;
  await client.send(
    new UpdateConnectorProfileCommand({
      ...input,
      connectorProfileConfig: { connectorProfileProperties: { Salesforce: {} } },
    }),
  );
}

describe('the rules of the deployment', () => {
  it('give heal the flows that did not end well or were deactivated, once each', async () => {
    const world = await testWorld();
    world.addJwt('sf');
    const { flows } = world.aws.appflow;
    flows.create({ flowName: 'daily', connectorProfileName: 'sf', triggerType: 'Scheduled' });
    flows.create({ flowName: 'cdc', connectorProfileName: 'sf', triggerType: 'Event' });
    flows.fail('daily', null);
    flows.deactivate('daily', 'off');
    flows.deactivate('cdc', undefined);
    expect(targetsIn(world)).toEqual([['heal'], ['heal'], ['heal']]);
    world.aws.events.publish({
      source: 'aws.appflow',
      'detail-type': 'AppFlow End Flow Run Report',
      detail: { status: 'Execution Successful' },
    });
    expect(targetsIn(world)[3]).toEqual([]);
  });

  it('give heal the changes of profiles by everybody but our own roles, whoever has no role included', async () => {
    const world = await testWorld();
    world.addProfile('sf');
    for (const principal of [
      { type: 'Root' },
      { type: 'IAMUser', userName: 'carol' },
      { type: 'AssumedRole', roleName: 'Deploy' },
      { type: 'AWSService', invokedBy: 'config.amazonaws.com' },
      { type: 'AssumedRole', roleName: ownRoleArns[0]?.split('role/')[1] ?? '' },
    ] as const)
      world.aws.appflow.overwriteBy(principal, 'sf', credentials);
    world.aws.appflow.deleteBy({ type: 'Root' }, 'sf');
    expect(targetsIn(world)).toEqual([['heal'], ['heal'], ['heal'], ['heal'], [], ['heal']]);
  });

  it('tell our functions by their user agent, and neither the command line nor another deployment', async () => {
    const world = await testWorld();
    world.addProfile('sf');
    await updateAs(world, 'local', ['appflow-token-refresher', '1.0.0']);
    await updateAs(world, 'local', ['appflow-token-refresher-cli', '1.0.0']);
    await updateAs(world, 'other', ['appflow-token-refresher', '1.0.0']);
    expect(targetsIn(world)).toEqual([[], ['heal'], ['heal']]);
    expect(world.env['OWN_ROLE_ARNS']?.split(',')).toEqual(ownRoleArns);
    expect(world.aws.events.all()[0]?.detail).toMatchObject({
      userIdentity: { sessionContext: { sessionIssuer: { arn: ownRoleArns[0] } } },
    });
  });

  it('send the summary of our events to the topic', async () => {
    const world = await testWorld();
    world.aws.events.publish({
      source: 'appflow-token-refresher',
      'detail-type': 'Connection Failed',
      detail: { summary: 'sf failed.' },
    });
    await world.deliverEvents();
    expect(world.aws.events.messages().map(({ text }) => text)).toEqual(['sf failed.']);
  });
});

describe('deliverEvents', () => {
  it('lets heal refresh the connection of a flow that could not log in', async () => {
    const world = await testWorld();
    // Of flows alone: no change of a profile is told.
    world.aws.trails.remove(TRAIL);
    world.addJwt('sf');
    const { flows } = world.aws.appflow;
    flows.create({ flowName: 'daily', connectorProfileName: 'sf', triggerType: 'Scheduled' });
    const updated = () => world.aws.appflow.profile('sf')?.lastUpdatedAt;
    const before = updated();
    await flows.run('daily');
    expect(updated()).toEqual(before);
    await world.deliverEvents();
    expect(updated()).not.toEqual(before);
    expect(await flows.run('daily')).toMatchObject({ detail: { status: 'Execution Successful' } });
    expect(world.aws.events.failed()).toEqual([]);
  });

  it('has heal tried again by the clock while AppFlow is down, and keeps the event where that does not help', async () => {
    const world = await testWorld();
    // Of flows alone: no change of a profile is told.
    world.aws.trails.remove(TRAIL);
    world.addJwt('sf');
    const { flows } = world.aws.appflow;
    flows.create({ flowName: 'daily', connectorProfileName: 'sf', triggerType: 'Scheduled' });
    const start = world.clock.now();
    let until = start + 30_000;
    world.fault = ({ operation }) =>
      operation === 'DescribeFlow' && world.clock.now() < until
        ? { status: 500, code: 'InternalServerException' }
        : undefined;
    await flows.run('daily');
    await world.deliverEvents();
    expect(world.clock.now() - start).toBeGreaterThanOrEqual(60_000);
    expect(world.clock.now() - start).toBeLessThan(90_000);
    expect(world.aws.events.failed()).toEqual([]);
    until = Number.POSITIVE_INFINITY;
    flows.fail(
      'daily',
      'The request failed because the service Source Salesforce returned the following error: Details: x: y, ErrorCode: ConnectorAuthentication.',
    );
    await world.deliverEvents();
    expect(world.aws.events.failed()).toMatchObject([{ attempts: 3 }]);
  });
});
