import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { create as createRefresh } from '../../functions/refresh.ts';
import type { Call, Fault } from '../../infra/local/wire/traffic.ts';
import {
  type CodeWorld,
  codeWorld,
  edit,
  exchanges,
  faultsOf,
  INTERVAL,
  isExchange,
  isPersisting,
  NAME,
  OPERATOR_SECRET,
  reauthorise,
  rotateSecret,
  sentTokens,
  step,
  TICK,
  TOKEN_SECRET,
  ticks,
  untilQuiet,
} from '../support/code-world.ts';
import { CODE_APP, USER } from '../support/world.ts';

/** Seconds after which a lease of `refresh` that was not released has run out. */
const RUN_OUT = 110;

const outcome = async (run: Promise<unknown>) => {
  const report = (await run) as { connections: { outcome: string; error?: { code: string } }[] };
  return report.connections[0]?.error?.code ?? report.connections[0]?.outcome;
};
const byHand = (world: CodeWorld) => outcome(world.refresh([NAME]));
const isRelease = ({ operation, input }: Call) =>
  operation === 'UpdateSecretVersionStage' && (input as { VersionStage?: string }).VersionStage === 'REFRESH_RELEASED';
const versions = (world: CodeWorld) => world.aws.secrets.versions(TOKEN_SECRET).length;

/** A rotating connection that was refreshed, and is due again. */
async function dueWorld(behaviour: Parameters<typeof codeWorld>[0] = 'rotating'): Promise<CodeWorld> {
  const world = await codeWorld(behaviour);
  await world.tick();
  world.clock.turn(INTERVAL + TICK);
  expect(faultsOf(world)).toEqual([]);
  return world;
}

/** A call that can be met, and held until it is let go. */
function hold(matches: (call: Call, phase: 'before' | 'after') => boolean) {
  const met = Promise.withResolvers<void>();
  const letGo = Promise.withResolvers<Fault | undefined>();
  let isMet = false;
  return {
    met: met.promise,
    letGo: letGo.resolve,
    async ask(call: Call, phase: 'before' | 'after'): Promise<Fault | undefined> {
      if (isMet || !matches(call, phase)) return undefined;
      isMet = true;
      met.resolve();
      return letGo.promise;
    },
  };
}

function expectNothingLost(world: CodeWorld): void {
  expect(faultsOf(world)).toEqual([]);
  expect(world.salesforce.spentTokenUses).toBe(0);
}

describe('a run that reads while another one holds the lease', () => {
  it('spends no token of that time when it goes on after the lease has run out', async () => {
    const world = await dueWorld();
    // A is about to spend the token of C1.
    const exchanging = hold((call, phase) => isExchange(call) && phase === 'before');
    world.fault = exchanging.ask;
    const a = byHand(world);
    await exchanging.met;
    // B has read what is current and the labels; the answer about A's lease hangs.
    const reading = hold(
      (call, phase) => phase === 'after' && call.operation === 'GetSecretValue' && 'VersionId' in Object(call.input),
    );
    world.fault = (call, phase) => reading.ask(call, phase);
    const b = byHand(world);
    await reading.met;
    // A stores C2, and its release is refused.
    world.fault = (call, phase) =>
      isRelease(call) && phase === 'before' ? { status: 400, code: 'InvalidRequestException' } : undefined;
    exchanging.letGo(undefined);
    expect(await a).toBe('refreshed');
    world.clock.turn(RUN_OUT);
    world.fault = undefined;
    reading.letGo(undefined);
    await b;
    await untilQuiet(world);
    expectNothingLost(world);
  });

  it.each(['DescribeSecret', 'GetSecretValue'])(
    'spends no token of that time when its %s is answered after the other run has ended',
    async (operation) => {
      const world = await dueWorld();
      const reading = hold(
        (call, phase) =>
          phase === 'after' && call.operation === operation && JSON.stringify(call.input).includes(TOKEN_SECRET),
      );
      world.fault = reading.ask;
      const b = byHand(world);
      await reading.met;
      // A stores C2 meanwhile, and its release is refused.
      world.fault = (call, phase) =>
        isRelease(call) && phase === 'before' ? { status: 400, code: 'InvalidRequestException' } : undefined;
      await byHand(world);
      world.clock.turn(RUN_OUT);
      world.fault = undefined;
      reading.letGo(undefined);
      await b;
      await untilQuiet(world);
      expectNothingLost(world);
    },
  );
});

describe('neighbours that are slow and never fail', () => {
  it.each([
    ['8 s a call of Secrets Manager, 9 s of Salesforce', 8, 9],
    ['4 s a call of Secrets Manager, 9 s of Salesforce', 4, 9],
    ['9 s a call of both', 9, 9],
    ['3 s a call of both', 3, 3],
  ])('cost no token within the time of the function: %s', async (_, secretsSeconds, salesforceSeconds) => {
    const world = await dueWorld();
    let started = Number.POSITIVE_INFINITY;
    let killed = false;
    world.fault = (call, phase) => {
      // The first call of refresh; dispatch came before.
      if (call.operation === 'BatchGetSecretValue') started = Math.min(started, world.clock.now());
      if (started === Number.POSITIVE_INFINITY) return undefined;
      // Lambda ends the function at its timeout: what it asks for later never arrives.
      if (killed) return 'drop';
      if (phase === 'before') {
        if (call.service === 'secretsmanager') world.clock.turn(secretsSeconds);
        if (call.service === 'salesforce') world.clock.turn(salesforceSeconds);
      }
      killed = world.clock.now() - started >= 45_000;
      return killed ? 'drop' : undefined;
    };
    await world.tick();
    expect(started).toBeLessThan(Number.POSITIVE_INFINITY);
    world.fault = undefined;
    world.clock.turn(RUN_OUT);
    await untilQuiet(world);
    expectNothingLost(world);
  });

  it('sends no token when too little time is left to keep what comes back', async () => {
    const world = await dueWorld();
    const before = exchanges(world);
    world.fault = ({ service }, phase) => {
      if (phase === 'before' && service === 'secretsmanager') world.clock.turn(8);
      return undefined;
    };
    expect(await byHand(world)).toBe('OUT_OF_TIME');
    expect(exchanges(world)).toBe(before);
    // The lease was let go: nobody has to wait.
    world.fault = undefined;
    expect(await byHand(world)).toBe('refreshed');
    expectNothingLost(world);
  });

  it('put the token into escrow beside a put that does not answer, and take it out when it does', async () => {
    const world = await dueWorld();
    const putting = hold((call, phase) => isPersisting(call) && phase === 'before' && exchangedIn(world));
    world.fault = (call, phase) => {
      if (call.operation === 'PutParameter' && phase === 'after') putting.letGo(undefined);
      return putting.ask(call, phase);
    };
    const run = byHand(world);
    await putting.met;
    expect(world.aws.parameters.all()).toHaveLength(0);
    world.clock.turn(3);
    expect(await run).toBe('refreshed');
    expect(world.aws.calls.map(({ operation }) => operation)).toContain('PutParameter');
    expectNothingLost(world);
  });
});

/** Where a server was, and is no more. */
async function nobodyThere(): Promise<string> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return `http://127.0.0.1:${port}`;
}

const exchangedIn = (world: CodeWorld) => exchanges(world) > 1;

describe('a request that got no answer', () => {
  it('keeps its lease when it was an exchange: nobody sends the token while it may still arrive', async () => {
    const world = await dueWorld();
    world.fault = (call, phase) => (isExchange(call) && phase === 'before' ? 'drop' : undefined);
    expect(await byHand(world)).toBe('SALESFORCE_UNAVAILABLE');
    world.fault = undefined;
    const sent = exchanges(world);
    expect(await byHand(world)).toBe('in-progress');
    world.clock.turn(60);
    expect(await byHand(world)).toBe('in-progress');
    expect(exchanges(world)).toBe(sent);
    world.clock.turn(RUN_OUT - 60);
    expect(await byHand(world)).toBe('refreshed');
    expectNothingLost(world);
  });

  it('lets its lease go where the request never left: a host that cannot be reached holds nobody up', async () => {
    const world = await dueWorld();
    edit(world, { loginUrl: await nobodyThere() });
    expect(await byHand(world)).toBe('SALESFORCE_UNAVAILABLE');
    edit(world, { loginUrl: world.salesforce.url });
    expect(await byHand(world)).toBe('refreshed');
    expectNothingLost(world);
  });

  it.each(['UpdateConnectorProfile', 'PutParameter', 'DeleteParameter'])(
    'keeps its lease when it was %s, which may arrive late',
    async (operation) => {
      const world = await dueWorld();
      let persisting = 0;
      world.fault = (call, phase) => {
        if (call.operation === operation && phase === 'before') return 'drop';
        // For the two of escrow the store must refuse once.
        if (operation !== 'UpdateConnectorProfile' && isPersisting(call) && phase === 'before' && persisting++ === 0)
          return { status: 500, code: 'InternalServiceError' };
        return undefined;
      };
      await byHand(world);
      world.fault = undefined;
      expect(await byHand(world)).toBe('in-progress');
      world.clock.turn(RUN_OUT);
      await untilQuiet(world);
      expect(await byHand(world)).toBe('refreshed');
      expectNothingLost(world);
    },
  );

  it('leaves no copy in escrow behind, also where that copy was kept and the answer lost', async () => {
    const world = await dueWorld();
    let persisting = 0;
    world.fault = (call, phase) => {
      if (isPersisting(call) && phase === 'before' && persisting++ === 0)
        return { status: 500, code: 'InternalServiceError' };
      return call.operation === 'PutParameter' && phase === 'after' ? 'drop' : undefined;
    };
    await byHand(world);
    world.fault = undefined;
    expect(world.aws.parameters.all()).toHaveLength(0);
    world.clock.turn(RUN_OUT);
    await untilQuiet(world);
    expectNothingLost(world);
  });
});

describe('the versions of a token secret', () => {
  const failedRun = (world: CodeWorld, n: number) => ({
    id: `event-${n}`,
    time: new Date(world.clock.now()).toISOString(),
    'detail-type': 'AppFlow End Flow Run Report',
    source: 'aws.appflow',
    detail: {
      'flow-name': 'orders',
      status: 'Execution Failed',
      error:
        'The request failed because the service Source Salesforce returned the following error: invalid_grant: expired access/refresh token',
      'start-time': new Date(world.clock.now() - 20 * 60_000).toISOString(),
    },
  });

  it.each(['dead', 'HTTP 503'] as const)(
    'are left to a person after nine hours of flows that fail every five minutes (the token endpoint: %s)',
    async (trouble) => {
      const world = await dueWorld('rotating');
      world.aws.appflow.flows.create({ flowName: 'orders', connectorProfileName: NAME });
      if (trouble === 'dead') await world.salesforce.revoke(CODE_APP, USER);
      else world.fault = (call) => (isExchange(call) ? { status: 503, code: 'server_error' } : undefined);
      let most = 0;
      for (let n = 0; n < 108; n++) {
        world.clock.turn(TICK);
        await world.tick();
        await world.invoke('heal', failedRun(world, n)).catch(() => undefined);
        most = Math.max(most, versions(world));
      }
      expect(most).toBeLessThanOrEqual(92);
      world.fault = undefined;
      await reauthorise(world);
      world.clock.turn(TICK);
      await world.tick();
      expect(faultsOf(world)).toEqual([]);
    },
    120_000,
  );

  it('are not eaten by the repetitions of the queue at the shortest interval', async () => {
    const world = await codeWorld('steady', {}, {}, { 'refresh-interval-seconds': '900' });
    await world.tick();
    world.fault = (call) => (isExchange(call) ? { status: 503, code: 'server_error' } : undefined);
    let most = 0;
    await ticks(world, 160, () => {
      most = Math.max(most, versions(world));
    });
    expect(most).toBeLessThanOrEqual(92);
    world.fault = undefined;
    await reauthorise(world);
    expect(await byHand(world)).toBe('refreshed');
  }, 120_000);
});

describe('a change that a person makes while a refresh is under way', () => {
  it.each(['token:refresh_token', 'PutSecretValue', 'UpdateConnectorProfile'])(
    'is served by the next tick, though the profile was updated after it (at %s)',
    async (operation) => {
      const world = await dueWorld();
      const working = hold((call, phase) => call.operation === operation && phase === 'before');
      world.fault = working.ask;
      const run = world.tick();
      await working.met;
      world.clock.turn(20);
      await reauthorise(world);
      world.clock.turn(10);
      working.letGo(undefined);
      await run;
      world.fault = undefined;
      world.clock.turn(TICK);
      await world.tick();
      expect(sentTokens(world)).toContain(world.seed);
      expectNothingLost(world);
    },
  );

  it('is served also where it is a JWT that AppFlow was given meanwhile', async () => {
    const world = await codeWorld('steady');
    world.addJwt('jwt');
    const working = hold((call, phase) => call.operation === 'UpdateConnectorProfile' && phase === 'before');
    world.fault = (call, phase) =>
      JSON.stringify(call.input).includes('"jwt"') ? working.ask(call, phase) : undefined;
    const run = world.refresh(['jwt']);
    await working.met;
    const secret = JSON.parse(world.aws.secrets.read('appflow-token-refresher/jwt') ?? '{}');
    world.aws.secrets.put('appflow-token-refresher/jwt', JSON.stringify({ ...secret, lifetimeSeconds: 9_000 }));
    world.clock.turn(10);
    working.letGo(undefined);
    await run;
    world.fault = undefined;
    const before = world.aws.appflow.credentials('jwt')?.jwtToken;
    world.clock.turn(TICK);
    await world.tick();
    expect(world.aws.appflow.credentials('jwt')?.jwtToken).not.toBe(before);
    // Once: then the change has been taken in.
    const after = world.aws.appflow.credentials('jwt')?.jwtToken;
    await ticks(world, 3);
    expect(world.aws.appflow.credentials('jwt')?.jwtToken).toBe(after);
  });
});

describe('a clock of a run that is off', () => {
  it.each([-120, 120, -3_600])('by %d s never makes it take over a lease that holds', async (seconds) => {
    const world = await dueWorld();
    // A waits for Salesforce under its lease.
    const exchanging = hold((call, phase) => isExchange(call) && phase === 'before');
    world.fault = exchanging.ask;
    const a = byHand(world);
    await exchanging.met;
    const sent = exchanges(world);
    const clock = {
      now: () => world.clock.now() + seconds * 1000,
      sleep: world.clock.sleep,
      timer: world.clock.timer,
    };
    const elsewhere = createRefresh(clock);
    world.clock.turn(40);
    expect(await outcome(elsewhere({ connections: [NAME], dryRun: false }, contextOf()))).toBe('in-progress');
    expect(exchanges(world)).toBe(sent);
    exchanging.letGo(undefined);
    await a;
    world.fault = undefined;
    await untilQuiet(world);
    expectNothingLost(world);
  });

  it.each([-120, 120])('by %d s never makes others take over its lease while it holds', async (seconds) => {
    const world = await dueWorld();
    const clock = {
      now: () => world.clock.now() + seconds * 1000,
      sleep: world.clock.sleep,
      timer: world.clock.timer,
    };
    const exchanging = hold((call, phase) => isExchange(call) && phase === 'before');
    world.fault = exchanging.ask;
    const a = createRefresh(clock)({ connections: [NAME], dryRun: false }, contextOf());
    await exchanging.met;
    const sent = exchanges(world);
    world.clock.turn(20);
    expect(await byHand(world)).toBe('in-progress');
    expect(exchanges(world)).toBe(sent);
    exchanging.letGo(undefined);
    await a;
    world.fault = undefined;
    await untilQuiet(world);
    expectNothingLost(world);
  });
});

/** What Lambda would hand in, as far as `refresh` looks at it. */
function contextOf() {
  return {
    awsRequestId: 'request',
    functionName: 'refresh',
    functionVersion: '$LATEST',
    invokedFunctionArn: 'arn:aws:lambda:us-east-1:123456789012:function:refresh',
    memoryLimitInMB: '512',
    logGroupName: '/aws/lambda/refresh',
    logStreamName: 'local',
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => 45_000,
    done: () => undefined,
    fail: () => undefined,
    succeed: () => undefined,
  };
}

describe('a stored access token whose end nobody tells', () => {
  it('is not handed over when it has died since: the next attempt exchanges', async () => {
    const world = await codeWorld('rotating');
    world.fault = ({ operation }, phase) =>
      phase === 'before' && operation === 'UpdateConnectorProfile'
        ? { status: 500, code: 'InternalServerException' }
        : undefined;
    await world.tick();
    const dead = String(world.tokens(NAME)?.['accessToken']);
    await fetch(`${world.salesforce.url}/services/oauth2/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ token: dead }),
    });
    let handedOver = 0;
    world.fault = (call, phase) => {
      if (
        call.operation === 'UpdateConnectorProfile' &&
        phase === 'before' &&
        JSON.stringify(call.input).includes(dead)
      )
        handedOver += 1;
      return call.operation === 'introspect' ? { status: 400, code: 'invalid_request' } : undefined;
    };
    await ticks(world, 1);
    world.fault = undefined;
    expect([exchanges(world), handedOver]).toEqual([2, 0]);
    expect(world.salesforce.spentTokenUses).toBe(0);
  });
});

describe('setSecret', () => {
  it('hands over no token that is older than what AppFlow has', async () => {
    const world = await dueWorld('steady');
    const token = crypto.randomUUID();
    await rotateSecret(world, token);
    world.clock.turn(5);
    // Without token rotation this refresh makes no version: the rotation's stays current.
    await byHand(world);
    const newest = world.aws.appflow.credentials(NAME)?.accessToken;
    world.clock.turn(5);
    await step(world, 'setSecret', token);
    expect(world.aws.appflow.credentials(NAME)?.accessToken).toBe(newest);
  });
});

describe('what lies in escrow', () => {
  it('is not orphaned by a person who deletes the token secret: the next first use stores it', async () => {
    const world = await codeWorld('rotating');
    let exchanged = false;
    world.fault = (call, phase) => {
      exchanged ||= isExchange(call) && phase === 'after';
      return exchanged && call.operation === 'PutSecretValue' && phase === 'before'
        ? { status: 500, code: 'InternalServiceError' }
        : undefined;
    };
    await byHand(world);
    world.fault = undefined;
    expect(world.aws.parameters.all()).toHaveLength(1);
    world.aws.secrets.remove(TOKEN_SECRET);
    expect(world.aws.secrets.read(OPERATOR_SECRET)).toBeDefined();
    expect(await byHand(world)).toBe('refreshed');
    expectNothingLost(world);
  });
});
