import { describe, expect, it } from 'vitest';
import type { Call, Fault } from '../../infra/local/wire/traffic.ts';
import {
  BEHAVIOURS,
  codeWorld,
  exchanges,
  faultsOf,
  INTERVAL,
  isExchange,
  isLease,
  isPersisting,
  NAME,
  reauthorise,
  sentTokens,
  TICK,
  ticks,
  untilQuiet,
} from '../support/code-world.ts';
import { CODE_APP, type TestWorld, USER } from '../support/world.ts';

const first = async (world: TestWorld) => (await world.refresh([NAME])).connections[0];

/** Breaks calls from the moment on at which a token was exchanged. */
function afterTheExchange(world: TestWorld, fault: (call: Call, phase: 'before' | 'after') => Fault | undefined): void {
  let exchanged = false;
  world.fault = (call, phase) => {
    if (exchanged) return fault(call, phase);
    exchanged = isExchange(call) && phase === 'after';
    return undefined;
  };
}

const failing = { status: 500, code: 'InternalServiceError' } as const;

describe.each(BEHAVIOURS)('a connection when Salesforce is %s', (behaviour) => {
  it.each([
    ['refuses every value', 'before', failing],
    ['is throttled', 'before', { status: 400, code: 'ThrottlingException' }],
    ['accepts every value and never answers', 'after', 'drop'],
    ['is full', 'before', { status: 400, code: 'LimitExceededException' }],
    ['is denied', 'before', { status: 400, code: 'AccessDeniedException' }],
  ] as const)('loses no token when the store %s from the exchange to the end of the run', async (_, when, fault) => {
    const world = await codeWorld(behaviour);
    await world.tick();
    world.clock.turn(INTERVAL + TICK);
    if (behaviour === 'switched') world.salesforce.setRotation(CODE_APP, true);
    afterTheExchange(world, ({ operation }, phase) =>
      operation === 'PutSecretValue' && phase === when ? fault : undefined,
    );
    await world.tick();
    // AppFlow is served all the same.
    expect(world.salesforce.accessTokenIsLive(world.aws.appflow.credentials(NAME)?.accessToken ?? '')).toBe(true);
    world.fault = undefined;
    await untilQuiet(world);
    expect(faultsOf(world)).toEqual([]);
    await ticks(world, INTERVAL / TICK + 1);
    expect(faultsOf(world)).toEqual([]);
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it('makes at most one exchange per interval during a day without AppFlow', async () => {
    const world = await codeWorld(behaviour);
    await world.tick();
    const before = exchanges(world);
    world.fault = ({ operation }, phase) =>
      operation === 'UpdateConnectorProfile' && phase === 'before'
        ? { status: 500, code: 'InternalServerException' }
        : undefined;
    const at: number[] = [];
    await ticks(world, 86_400 / TICK, (n) => {
      if (behaviour === 'switched' && n === 100) world.salesforce.setRotation(CODE_APP, true);
      if (exchanges(world) > before + at.length) at.push(world.clock.now());
    });
    expect(exchanges(world) - before).toBe(at.length);
    expect(at.length).toBeLessThanOrEqual(24);
    for (const [n, time] of at.entries()) {
      const last = at[n - 1];
      if (last !== undefined) expect(time - last).toBeGreaterThanOrEqual(INTERVAL * 1000);
    }
    world.fault = undefined;
    await ticks(world, 13);
    expect(faultsOf(world)).toEqual([]);
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it('sends a dead refresh token only in the slots of the backoff, and a new one at once', async () => {
    const world = await codeWorld(behaviour);
    if (behaviour === 'switched') world.salesforce.setRotation(CODE_APP, true);
    await world.tick();
    await world.salesforce.revoke(CODE_APP, USER);
    world.clock.turn(INTERVAL - TICK);
    const at: number[] = [];
    let sent = exchanges(world);
    await ticks(world, 52, (n) => {
      if (exchanges(world) === sent) return;
      expect(exchanges(world)).toBe(sent + 1);
      sent += 1;
      at.push(n);
    });
    // Ticks after it became due; an interval is 12.
    expect(at).toEqual([0, 1, 3, 7, 15, 27, 39, 51]);
    world.clock.turn(2 * TICK + 17);
    await world.tick();
    expect(exchanges(world)).toBe(sent);
    await reauthorise(world);
    world.clock.turn(TICK - 17);
    await world.tick();
    expect(exchanges(world)).toBe(sent + 1);
    expect(sentTokens(world).at(-1)).toBe(world.seed);
    expect(faultsOf(world)).toEqual([]);
  });
});

describe('a rotating connection', () => {
  it('sends nothing to Salesforce while Secrets Manager is down', async () => {
    const world = await codeWorld('rotating');
    await world.tick();
    const before = exchanges(world);
    for (const broken of ['secretsmanager', 'secretsmanager ssm']) {
      world.fault = ({ service }, phase) => (broken.includes(service) && phase === 'before' ? failing : undefined);
      expect(await first(world)).toMatchObject({ outcome: 'failed', error: { code: 'SECRETS_UNAVAILABLE' } });
    }
    expect(exchanges(world)).toBe(before);
    world.fault = undefined;
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(faultsOf(world)).toEqual([]);
  });

  it('sends nothing to Salesforce while the store accepts no lease', async () => {
    const world = await codeWorld('rotating');
    await world.tick();
    const before = exchanges(world);
    for (const code of ['LimitExceededException', 'AccessDeniedException', 'ThrottlingException']) {
      world.fault = (call, phase) => (isLease(call) && phase === 'before' ? { status: 400, code } : undefined);
      expect(await first(world)).toMatchObject({ outcome: 'failed' });
    }
    world.aws.access.deny([{ action: 'secretsmanager:PutSecretValue' }]);
    world.fault = undefined;
    expect(await first(world)).toMatchObject({ outcome: 'failed', error: { code: 'ACCESS_DENIED' } });
    expect(exchanges(world)).toBe(before);
    world.aws.access.deny([]);
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(faultsOf(world)).toEqual([]);
  });

  it('sends nothing to Salesforce while its KMS key is denied, and uses escrow when the key is denied after the exchange', async () => {
    const world = await codeWorld('rotating', {
      settings: { TOKEN_KMS_KEY_ID: 'arn:aws:kms:us-east-1:123456789012:key/tokens' },
    });
    const denyKey = () => world.aws.access.deny([{ action: 'kms:*' }]);
    denyKey();
    expect(await first(world)).toMatchObject({ outcome: 'failed', error: { code: 'ACCESS_DENIED' } });
    expect(exchanges(world)).toBe(0);
    world.aws.access.deny([]);
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    denyKey();
    expect(await first(world)).toMatchObject({ outcome: 'failed', error: { code: 'ACCESS_DENIED' } });
    expect(exchanges(world)).toBe(1);
    world.aws.access.deny([]);
    afterTheExchange(world, () => {
      denyKey();
      return undefined;
    });
    expect(await first(world)).toMatchObject({ outcome: 'failed', error: { code: 'TOKEN_NOT_PERSISTED' } });
    world.fault = undefined;
    world.aws.access.deny([]);
    world.clock.turn(TICK);
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(faultsOf(world)).toEqual([]);
    expect(world.salesforce.spentTokenUses).toBe(0);
    delete process.env['TOKEN_KMS_KEY_ID'];
  });

  it('stores a token in the same run after the store has refused it a few times', async () => {
    const world = await codeWorld('rotating');
    await world.tick();
    let refusals = 3;
    world.fault = (call, phase) =>
      isPersisting(call) && phase === 'before' && refusals-- > 0
        ? { status: 400, code: 'ThrottlingException' }
        : undefined;
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(faultsOf(world)).toEqual([]);
  });

  it('reports a token that neither the store nor escrow accepts, and recovers by a new authorisation', async () => {
    const world = await codeWorld('rotating');
    await world.tick();
    afterTheExchange(world, ({ operation }, phase) =>
      phase === 'before' && (operation === 'PutSecretValue' || operation === 'PutParameter') ? failing : undefined,
    );
    const report = await first(world);
    expect(report?.error).toMatchObject({ code: 'TOKEN_NOT_PERSISTED', retryable: true });
    expect(report?.error?.message).toContain('could not be put into escrow either');
    expect(world.salesforce.accessTokenIsLive(world.aws.appflow.credentials(NAME)?.accessToken ?? '')).toBe(true);
    world.fault = undefined;
    world.clock.turn(TICK);
    expect(await first(world)).toMatchObject({ outcome: 'failed', error: { code: 'SALESFORCE_REFUSED' } });
    await reauthorise(world);
    await untilQuiet(world);
    expect(faultsOf(world)).toEqual([]);
  });

  it('waits for escrow to be readable before it sends a token that a dead run may have spent', async () => {
    const world = await codeWorld('rotating');
    await world.tick();
    afterTheExchange(world, ({ operation }, phase) =>
      operation === 'PutSecretValue' && phase === 'before' ? failing : undefined,
    );
    await first(world);
    const before = exchanges(world);
    world.clock.turn(TICK);
    world.fault = ({ service }, phase) => (service === 'ssm' && phase === 'before' ? failing : undefined);
    expect(await first(world)).toMatchObject({ outcome: 'failed', error: { code: 'SECRETS_UNAVAILABLE' } });
    world.clock.turn(TICK);
    world.fault = (call, phase) => (isPersisting(call) && phase === 'before' ? failing : undefined);
    expect(await first(world)).toMatchObject({ outcome: 'failed', error: { code: 'SECRETS_UNAVAILABLE' } });
    world.fault = undefined;
    expect(await first(world)).toMatchObject({ outcome: 'in-progress' });
    expect(exchanges(world)).toBe(before);
    world.clock.turn(TICK);
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(faultsOf(world)).toEqual([]);
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it('ignores a token left in escrow once its version is stored', async () => {
    const world = await codeWorld('rotating');
    await world.tick();
    let refusals = 1;
    world.fault = (call, phase) => {
      if (isPersisting(call) && phase === 'before' && refusals-- > 0) return failing;
      return call.operation === 'DeleteParameter' && phase === 'before' ? failing : undefined;
    };
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(world.aws.parameters.all()).toHaveLength(1);
    world.fault = undefined;
    world.clock.turn(TICK);
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(faultsOf(world)).toEqual([]);
    expect(world.salesforce.spentTokenUses).toBe(0);
  });
});
