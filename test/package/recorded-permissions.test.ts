import { describe, expect, it } from 'vitest';
import type { FunctionName } from '../../infra/local/deployment.ts';
import type { Call } from '../../infra/local/wire/traffic.ts';
import { fillVersions } from '../support/code-world.ts';
import { PERMISSIONS } from '../support/permissions.ts';
import { CLIENT_APP, CODE_APP, CODE_SECRET, type TestWorld, testWorld } from '../support/world.ts';

/** What a call needs, as test/permissions.ts writes it. */
function needed({ service, operation, input }: Call): string | undefined {
  const { SecretId = '', Name = '' } = input as { SecretId?: string; Name?: string };
  switch (service) {
    case 'secretsmanager': {
      if (operation === 'ListSecrets' || operation === 'BatchGetSecretValue') return `secretsmanager:${operation} *`;
      const id = SecretId || Name;
      const prefix = /(appflow-token-refresher|appflow-client-credentials|appflow-token-refresher-tokens)\//.exec(
        id,
      )?.[1];
      return `secretsmanager:${operation} secret:${prefix}/*`;
    }
    case 'ssm':
      return operation === 'DescribeParameters'
        ? 'ssm:DescribeParameters *'
        : `ssm:${operation} parameter/appflow-token-refresher/escrow/*`;
    case 'kms':
      return `kms:${operation} key/*`;
    case 'sqs':
      return 'sqs:SendMessage RefreshQueue';
    case 'events':
      return `events:${operation} event-bus/default`;
    case 'appflow': {
      const resource = { UpdateConnectorProfile: 'connectorprofile/*', DescribeFlow: 'flow/*', StartFlow: 'flow/*' }[
        operation
      ];
      return `appflow:${operation} ${resource ?? '*'}`;
    }
    default:
      return undefined;
  }
}

/** Everything that a function called while `run` ran. */
async function recorded(world: TestWorld, run: () => Promise<unknown>): Promise<string[]> {
  world.aws.forget();
  await run();
  return [...new Set(world.aws.calls.flatMap((call) => needed(call) ?? []))];
}

function granted(role: FunctionName): string[] {
  return PERMISSIONS[role].flatMap(({ action, resource, because }) =>
    because === 'recorded' ? [`${action} ${resource}`] : [],
  );
}

/** One connection of each kind, so that each call a function knows is made. */
async function everyKind(): Promise<TestWorld> {
  const world = await testWorld({ rotation: true, settings: { RERUN_FLOWS: 'true' } });
  world.aws.appflow.supportedGrants = ['AUTHORIZATION_CODE', 'JWT_BEARER', 'CLIENT_CREDENTIALS'];
  const keyId = await world.addKey();
  world.addJwt('kms', { privateKey: undefined, kmsKeyId: keyId });
  world.addClient('client');
  const arn = world.addClient('code-client', {}, { clientId: CODE_APP, clientSecret: CODE_SECRET });
  world.aws.secrets.tag('appflow-client-credentials/code-client', { 'appflow-token-refresher-connections': 'code' });
  world.aws.secrets.remove('appflow-token-refresher/code-client');
  await world.addCode('code', { clientSecret: undefined, clientCredentialsArn: arn });
  expect(CLIENT_APP).not.toBe(CODE_APP);
  return world;
}

/** The store refuses what comes back from Salesforce, so that escrow is used. */
function refuseTokens(world: TestWorld): void {
  let exchanged = false;
  world.fault = ({ operation }, phase) => {
    if (operation === 'token:refresh_token' && phase === 'after') exchanged = true;
    return exchanged && phase === 'before' && operation === 'PutSecretValue'
      ? { status: 500, code: 'InternalServiceError' }
      : undefined;
  };
}

/** A credential that is no longer young, of a connection that is not due. */
const anHourIsNotOver = (world: TestWorld) => new Date(world.clock.now() - 1_800_000);

/** A flow on the profile of a connection, so that what is told of that one names it. */
function addFlow({ aws }: TestWorld, connection: string): string {
  const flowName = `flow-${connection}`;
  aws.appflow.flows.create({ flowName, connectorProfileName: connection });
  return flowName;
}

/** A message of the queue that comes long after the connection became due. */
async function repeat(world: TestWorld, connection: string): Promise<void> {
  world.clock.turn(7200);
  const scheduledTime = new Date(world.clock.now()).toISOString();
  const body = JSON.stringify({ connection, connectorProfileName: connection, intervalSeconds: 3600, scheduledTime });
  const message = { eventSource: 'aws:sqs', messageId: 'message', body, attributes: { ApproximateReceiveCount: '2' } };
  await world.invoke('refresh', { Records: [message] });
}

const NAMES = ['kms', 'client', 'code'];
const token = () => crypto.randomUUID();

describe('the recorded calls of the functions', () => {
  it('dispatch makes exactly the calls that its role permits', async () => {
    const world = await everyKind();
    const calls = await recorded(world, () => world.invoke('dispatch', {}));
    expect(calls.sort()).toEqual(granted('dispatch').sort());
  });

  it('refresh makes exactly the calls that its role permits', async () => {
    const world = await everyKind();
    // It has waited for hours, so its recovery is told.
    addFlow(world, 'kms');
    world.clock.turn(7_200);
    const calls = await recorded(world, async () => {
      await world.refresh(NAMES);
      refuseTokens(world);
      await world.refresh(['code']);
      world.fault = undefined;
      world.clock.turn(120);
      expect(await world.refresh(NAMES)).toMatchObject({ ok: true });
      // A repetition, which asks how many versions are left.
      await repeat(world, 'code');
    });
    // It is asked for by BatchGetSecretValue in any case, and by the protocol itself where a seed is new.
    expect(
      calls.filter((call) => call !== 'secretsmanager:GetSecretValue secret:appflow-token-refresher/*').sort(),
    ).toEqual(granted('refresh').sort());
  });

  it('rotate makes exactly the calls that its role permits', async () => {
    const world = await everyKind();
    await world.refresh(['code']);
    const SecretId = 'appflow-token-refresher-tokens/code';
    const calls = await recorded(world, async () => {
      refuseTokens(world);
      await expect(
        world.invoke('rotate', { Step: 'createSecret', SecretId, ClientRequestToken: token() }),
      ).rejects.toThrow();
      world.fault = undefined;
      world.clock.turn(120);
      const ClientRequestToken = token();
      for (const Step of ['createSecret', 'setSecret', 'testSecret', 'finishSecret']) {
        await world.invoke('rotate', { Step, SecretId, ClientRequestToken });
      }
    });
    expect(calls.sort()).toEqual(granted('rotate').sort());
  });

  it('heal makes exactly the calls that its role permits', async () => {
    const world = await everyKind();
    const events: unknown[] = [];
    for (const name of NAMES) events.push(await world.aws.appflow.flows.run(addFlow(world, name)));
    world.clock.turn(5);
    const calls = await recorded(world, async () => {
      for (const event of events) await world.invoke('heal', event);
      world.clock.turn(7300);
      world.aws.appflow.putProfile({ name: 'code', createdAt: new Date(0), lastUpdatedAt: anHourIsNotOver(world) });
      const again = await world.aws.appflow.flows.run('flow-code');
      world.clock.turn(5);
      refuseTokens(world);
      await expect(world.invoke('heal', again)).rejects.toThrow();
      world.fault = undefined;
      world.clock.turn(7300);
      world.aws.appflow.putProfile({ name: 'code', createdAt: new Date(0), lastUpdatedAt: anHourIsNotOver(world) });
      const third = await world.aws.appflow.flows.run('flow-code');
      world.clock.turn(5);
      await world.invoke('heal', third);
      // Where few versions are left it looks whether a person has changed the secret.
      await fillVersions(world, 'code', 90);
      world.clock.turn(7300);
      world.aws.appflow.putProfile({ name: 'code', createdAt: new Date(0), lastUpdatedAt: anHourIsNotOver(world) });
      const fourth = await world.aws.appflow.flows.run('flow-code');
      world.clock.turn(5);
      await world.invoke('heal', fourth);
      // Somebody else updates a profile, which is told.
      world.aws.appflow.overwriteBy({ type: 'Root' }, 'kms', {
        oAuth2GrantType: 'JWT_BEARER',
        jwtToken: 'e30.e30.old',
      });
      await world.deliverEvents();
    });
    expect(
      calls.filter((call) => call !== 'secretsmanager:GetSecretValue secret:appflow-token-refresher/*').sort(),
    ).toEqual(granted('heal').sort());
  });
});
