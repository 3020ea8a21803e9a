import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { describe, expect, it } from 'vitest';
import { noticesAdapter } from '../../functions/adapters/notices.ts';
import type { Notice } from '../../functions/core/ports.ts';
import { VERSION } from '../../functions/runtime/version.ts';
import { fakeRun } from '../support/rules.ts';
import { START, type TestWorld, testWorld } from '../support/world.ts';

const CI = { type: 'AssumedRole', roleName: 'ci' } as const;
const OLD = { oAuth2GrantType: 'JWT_BEARER', jwtToken: 'old.and.dead' } as const;
const TICK = 300;

const told = (world: TestWorld) =>
  world.aws.events
    .all()
    .filter(({ source }) => source === 'appflow-token-refresher')
    .map((event) => ({ kind: event['detail-type'], ...(event.detail as Notice['detail']) }));
const kinds = (world: TestWorld) => told(world).map(({ kind, connection }) => `${kind}: ${connection}`);
const logIn = async (world: TestWorld, profile: string) => (await world.aws.appflow.useConnection(profile)).ok;

async function tick(world: TestWorld, times = 1): Promise<void> {
  for (let n = 0; n < times; n++) {
    world.clock.turn(TICK);
    await world.tick();
    await world.deliverEvents();
  }
}

/** The connection sf, well and refreshed an instant ago, with a flow. */
async function healthy(): Promise<TestWorld> {
  const world = await testWorld();
  world.addJwt('sf');
  world.aws.appflow.flows.create({
    flowName: 'accounts',
    connectorProfileName: 'sf',
    triggerType: 'Scheduled',
    schedule: 'rate(1hours)',
  });
  await world.refresh(['sf']);
  world.clock.turn(60);
  return world;
}

describe('a profile that another program overwrites', () => {
  it('holds our credential again when the event was delivered, and its owner is told once who it was', async () => {
    const world = await healthy();
    const before = told(world).length;
    world.aws.appflow.overwriteBy(CI, 'sf', OLD);
    expect(await logIn(world, 'sf')).toBe(false);
    world.clock.turn(30);
    await world.deliverEvents();
    expect(await logIn(world, 'sf')).toBe(true);
    const notices = told(world).slice(before);
    expect(notices).toMatchObject([
      {
        kind: 'Profile Overwritten',
        connection: 'sf',
        connectorProfileName: 'sf',
        principal: expect.stringMatching(/assumed-role\/ci\//),
        flows: [{ flowName: 'accounts', trigger: 'Scheduled rate(1hours)' }],
      },
    ]);
    expect(notices[0]?.summary).toMatch(/by arn:aws:sts::\d+:assumed-role\/ci\/\S+ with .*Terraform\/1\.13\.4/);
    expect(notices[0]?.summary).toContain('accounts (Scheduled rate(1hours))');
    expect(world.aws.events.messages().at(-1)?.text).toBe(notices[0]?.summary);
    expect(world.aws.events.failed()).toEqual([]);
    // Our own update is no overwriting: nothing goes round in circles.
    await tick(world, 3);
    expect(told(world)).toHaveLength(before + 1);
  });

  it.each([
    [{ type: 'Root' }, 'arn:aws:iam::123456789012:root'],
    [{ type: 'IAMUser', userName: 'carol' }, 'arn:aws:iam::123456789012:user/carol'],
    [{ type: 'AWSService', invokedBy: 'config.amazonaws.com' }, 'config.amazonaws.com'],
  ] as const)('is refreshed whoever it was: %j', async (principal, name) => {
    const world = await healthy();
    world.aws.appflow.overwriteBy(principal, 'sf', OLD);
    await world.deliverEvents();
    expect(await logIn(world, 'sf')).toBe(true);
    expect(told(world).at(-1)).toMatchObject({ kind: 'Profile Overwritten', principal: name });
  });

  it('by another deployment is told and left alone', async () => {
    const world = await healthy();
    world.aws.appflow.overwriteBy(CI, 'sf', OLD, 'aws-sdk-js/3.900.0 appflow-token-refresher/2.0.0');
    const { lastUpdatedAt } = world.aws.appflow.profile('sf') ?? {};
    world.clock.turn(30);
    await world.deliverEvents();
    expect(world.aws.appflow.profile('sf')?.lastUpdatedAt).toEqual(lastUpdatedAt);
    expect(told(world).at(-1)).toMatchObject({ kind: 'Profile Overwritten' });
  });

  it('by our command line is no news', async () => {
    const world = await healthy();
    const before = told(world).length;
    world.aws.appflow.overwriteBy(CI, 'sf', OLD, 'aws-sdk-js/3.900.0 appflow-token-refresher-cli/0.1.0');
    await world.deliverEvents();
    expect(told(world)).toHaveLength(before);
  });

  it('is tried again while AppFlow is down, and told when that is over', async () => {
    const world = await healthy();
    const before = told(world).length;
    world.aws.appflow.overwriteBy(CI, 'sf', OLD);
    const until = world.clock.now() + 30_000;
    world.fault = ({ operation }) =>
      operation === 'UpdateConnectorProfile' && world.clock.now() < until
        ? { status: 500, code: 'InternalServerException' }
        : undefined;
    await world.deliverEvents();
    expect(await logIn(world, 'sf')).toBe(true);
    expect(told(world).slice(before)).toMatchObject([{ kind: 'Profile Overwritten' }]);
  });
});

describe('a profile that another program overwrites again and again', () => {
  const rotating = async () => {
    const world = await testWorld({ rotation: true });
    await world.addCode('sf');
    await world.refresh(['sf']);
    world.clock.turn(600);
    return world;
  };
  const exchanges = (world: TestWorld) =>
    world.salesforce.calls.filter(({ operation }) => operation === 'token:refresh_token').length;

  it('is answered once for each time, also by a program that answers ours, and no refresh token is spent twice', async () => {
    const world = await rotating();
    const before = exchanges(world);
    for (let n = 1; n <= 6; n++) {
      world.aws.appflow.overwriteBy(CI, 'sf', OLD);
      // CloudTrail takes a minute or two.
      world.clock.turn(90);
      await world.deliverEvents();
      expect(exchanges(world) - before).toBe(n);
      expect(await logIn(world, 'sf')).toBe(true);
    }
    expect(kinds(world)).toEqual(Array.from({ length: 6 }, () => 'Profile Overwritten: sf'));
    expect(await world.refresh(['sf'])).toMatchObject({ ok: true });
  });

  it('leaves to a person the last versions of a day of its token secret', async () => {
    const world = await rotating();
    for (let n = 1; n <= 60; n++) {
      world.aws.appflow.overwriteBy(CI, 'sf', OLD);
      world.clock.turn(60);
      await world.deliverEvents();
    }
    expect(told(world).at(-1)).toMatchObject({ kind: 'Profile Overwritten', code: 'INTERVAL_TOO_SHORT' });
    expect(await world.refresh(['sf'])).toMatchObject({ ok: true });
    expect(await logIn(world, 'sf')).toBe(true);
  }, 120_000);

  it('is answered once for two times whose events come late and in the wrong order, and twice', async () => {
    const world = await rotating();
    const before = exchanges(world);
    world.aws.appflow.overwriteBy(CI, 'sf', OLD);
    const first = world.aws.events.all().at(-1);
    world.clock.turn(120);
    world.aws.appflow.overwriteBy(CI, 'sf', OLD);
    const second = world.aws.events.all().at(-1);
    world.clock.turn(900);
    for (const event of [second, first, second, first]) await world.invoke('heal', event);
    expect(exchanges(world) - before).toBe(1);
    expect(await logIn(world, 'sf')).toBe(true);
    const afterwards = told(world).map(({ message }) => message?.replace(/^.*\. /, ''));
    expect(afterwards).toEqual([
      'It has our credential again.',
      ...Array.from({ length: 3 }, () => 'It has been updated again since.'),
    ]);
  });

  it('is told once, and lies in the queue for failed events, where AppFlow is down until Lambda gives up', async () => {
    const world = await healthy();
    const before = told(world).length;
    world.aws.appflow.overwriteBy(CI, 'sf', OLD);
    world.clock.turn(20);
    world.fault = ({ operation }) =>
      operation === 'UpdateConnectorProfile' ? { status: 500, code: 'InternalServerException' } : undefined;
    await world.deliverEvents();
    expect(told(world).slice(before)).toMatchObject([
      {
        kind: 'Profile Overwritten',
        code: 'APPFLOW_UNAVAILABLE',
        principal: expect.stringContaining('/ci/'),
        hint: expect.stringContaining('refresh sf'),
      },
    ]);
    expect(world.aws.events.failed()).toHaveLength(1);
  });
});

describe('a connection that stays broken', () => {
  it.each([[false], [true]])('is told twice and recovers once, also while another is broken: %s', async (isOther) => {
    const world = await healthy();
    if (isOther) {
      world.addJwt('other');
      world.salesforce.inactiveUser('other@example.com', true);
      world.aws.secrets.put('appflow-token-refresher/other', JSON.stringify({ nonsense: true }));
      await tick(world, 20);
    }
    const before = told(world).length;
    world.salesforce.inactiveUser('integration@example.com', true);
    await tick(world, 40);
    const mine = () =>
      told(world)
        .slice(before)
        .filter(({ connection }) => connection === 'sf');
    expect(mine().map(({ kind }) => kind)).toEqual(['Connection Failed', 'Connection Failed']);
    expect(mine()[0]).toMatchObject({ flows: [{ flowName: 'accounts' }], grantType: 'JWT_BEARER' });
    world.salesforce.inactiveUser('integration@example.com', false);
    await tick(world, 12);
    expect(mine().map(({ kind }) => kind)).toEqual(['Connection Failed', 'Connection Failed', 'Connection Recovered']);
    expect(await logIn(world, 'sf')).toBe(true);
  });

  it('is not told where that passes within the patience of the alarm', async () => {
    const world = await healthy();
    const before = told(world).length;
    world.clock.turn(3_600 - TICK);
    world.fault = ({ operation }) =>
      operation === 'UpdateConnectorProfile' ? { status: 500, code: 'InternalServerException' } : undefined;
    await tick(world);
    world.fault = undefined;
    await tick(world, 2);
    expect(await logIn(world, 'sf')).toBe(true);
    expect(
      told(world)
        .slice(before)
        .filter(({ kind }) => kind === 'Connection Failed'),
    ).toEqual([]);
  });

  it('is told from the dates of its profile where the secrets cannot be read', async () => {
    const world = await healthy();
    const before = told(world).length;
    world.fault = ({ operation }) =>
      ['BatchGetSecretValue', 'DescribeSecret'].includes(operation)
        ? { status: 500, code: 'InternalServiceError' }
        : undefined;
    await tick(world, 20);
    expect(told(world).slice(before)).toMatchObject([{ kind: 'Connection Failed', code: 'SECRETS_UNAVAILABLE' }]);
  });
});

describe('a connection that is well', () => {
  it('is never told of, however long queue and refresh take', async () => {
    const world = await healthy();
    const before = told(world).length;
    let late = 0;
    for (let n = 0; n < 30; n++) {
      world.clock.turn(TICK - late - (n === 0 ? 60 : 0));
      await world.invoke('dispatch', { scheduledTime: new Date(world.clock.now()).toISOString() });
      late = 2 + (n % 7) * 11;
      world.clock.turn(late);
      await world.serveQueue();
    }
    expect(world.aws.calls.filter(({ operation }) => operation === 'UpdateConnectorProfile').length).toBeGreaterThan(2);
    expect(told(world)).toHaveLength(before);
    expect(world.aws.calls.filter(({ operation }) => operation === 'PutEvents')).toEqual([]);
  });

  it('is told of no more than its profile needs where both are deleted at once, before the listing knows', async () => {
    const world = await healthy();
    const before = told(world).length;
    world.aws.secrets.listLagSeconds = 300;
    world.aws.secrets.remove('appflow-token-refresher/sf');
    world.aws.appflow.deleteBy(CI, 'sf');
    world.clock.turn(60);
    await world.deliverEvents();
    expect(told(world)).toHaveLength(before);
    expect(world.aws.events.failed()).toEqual([]);
  });
});

it('messages that come together are each looked at for whether people must be told', async () => {
  const world = await healthy();
  world.salesforce.inactiveUser('integration@example.com', true);
  const due = world.clock.now() - 60_000 + 3_600_000;
  const before = told(world).length;
  world.clock.turn(9_000);
  const message = (ticksLater: number, receives: string) => ({
    eventSource: 'aws:sqs',
    messageId: `m${ticksLater}`,
    attributes: { ApproximateReceiveCount: receives },
    body: JSON.stringify({
      connection: 'sf',
      connectorProfileName: 'sf',
      intervalSeconds: 3_600,
      scheduledTime: new Date(due + ticksLater * TICK * 1000).toISOString(),
    }),
  });
  const serve = async (...messages: unknown[]) => {
    await world.invoke('refresh', { Records: messages });
    return told(world).slice(before).length;
  };
  expect(await serve(message(1, '2'), message(7, '1'))).toBe(0);
  expect(await serve(message(1, '2'), message(3, '1'), message(7, '1'))).toBe(1);
  expect(await serve(message(0, '2'), message(1, '1'))).toBe(2);
});

describe('a profile that is deleted', () => {
  it('is a failure of its connection, and its making a recovery', async () => {
    const world = await healthy();
    const before = told(world).length;
    world.aws.appflow.deleteBy({ type: 'IAMUser', userName: 'carol' }, 'sf');
    await world.deliverEvents();
    await tick(world, 4);
    expect(told(world).slice(before)).toMatchObject([
      { kind: 'Connection Failed', code: 'PROFILE_NOT_FOUND', principal: expect.stringContaining('user/carol') },
    ]);
    world.aws.appflow.putProfile({
      name: 'sf',
      properties: { instanceUrl: 'https://example.my.salesforce.com' },
      createdAt: new Date(world.clock.now()),
      lastUpdatedAt: new Date(world.clock.now()),
    });
    await tick(world);
    expect(
      told(world)
        .slice(before)
        .map(({ kind }) => kind),
    ).toEqual(['Connection Failed', 'Connection Recovered']);
  });

  it('of nobody is no news', async () => {
    const world = await healthy();
    world.addProfile('nobody');
    const before = kinds(world);
    world.aws.appflow.deleteBy({ type: 'Root' }, 'nobody');
    await world.deliverEvents();
    expect(kinds(world)).toEqual(before);
  });
});

it('a connection that a person refreshes late is told to have recovered', async () => {
  const world = await healthy();
  const before = told(world).length;
  world.clock.turn(7_200);
  await world.refresh(['sf'], true);
  expect(told(world)).toHaveLength(before);
  await world.refresh(['sf']);
  expect(told(world).slice(before)).toMatchObject([
    { kind: 'Connection Recovered', flows: [{ flowName: 'accounts' }] },
  ]);
});

it('a connection that a failed flow has refreshed, after a person has cured it, is told to have recovered', async () => {
  const world = await healthy();
  world.salesforce.inactiveUser('integration@example.com', true);
  await tick(world, 20);
  world.salesforce.inactiveUser('integration@example.com', false);
  const value = world.aws.secrets.read('appflow-token-refresher/sf') ?? '';
  world.aws.secrets.put('appflow-token-refresher/sf', value);
  const before = told(world).length;
  await world.invoke('heal', {
    id: '6a7e8feb-b491-4cf7-a9f1-bf3703467718',
    time: new Date(world.clock.now()).toISOString(),
    'detail-type': 'AppFlow End Flow Run Report',
    detail: {
      'flow-name': 'accounts',
      status: 'Execution Failed',
      error: 'invalid_grant: expired access/refresh token',
      'start-time': new Date(world.clock.now()).toISOString(),
    },
  });
  expect(told(world).slice(before)).toMatchObject([{ kind: 'Connection Recovered', connection: 'sf' }]);
});

describe('a notice that cannot be put', () => {
  it('fails no refresh', async () => {
    const world = await healthy();
    world.clock.turn(7_200);
    world.fault = ({ operation }) =>
      operation === 'PutEvents' ? { status: 500, code: 'InternalException' } : undefined;
    const before = told(world).length;
    expect(await world.refresh(['sf'])).toMatchObject({ ok: true, connections: [{ outcome: 'refreshed' }] });
    expect(told(world)).toHaveLength(before);
  });

  it('is sent ten at a time', async () => {
    const world = await testWorld();
    const client = new EventBridgeClient({ endpoint: world.aws.url, maxAttempts: 1 });
    const detail = { connection: 'sf', connectorProfileName: 'sf', since: START.toISOString(), summary: 'x' };
    const notices = Array.from({ length: 23 }, (): Notice => ({ kind: 'Connection Failed', detail }));
    await noticesAdapter(async () => client).put(notices, fakeRun());
    expect(told(world)).toHaveLength(23);
    expect(world.aws.calls.filter(({ operation }) => operation === 'PutEvents')).toHaveLength(3);
    client.destroy();
  });
});

it('every call of the functions names the product and its version', async () => {
  const world = await healthy();
  const agents = world.aws.calls.map(({ userAgent }) => userAgent);
  expect(agents.length).toBeGreaterThan(3);
  for (const agent of agents) expect(agent).toContain(`appflow-token-refresher/${VERSION}`);
});
