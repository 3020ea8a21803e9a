import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  BEHAVIOURS,
  type CodeWorld,
  codeWorld,
  exchanges,
  faultsOf,
  INTERVAL,
  isExchange,
  NAME,
  once,
  reattempt,
  reauthorise,
  rotateSecret,
  STEPS,
  sentTokens,
  step,
  TICK,
  TOKEN_SECRET,
  untilQuiet,
} from '../support/code-world.ts';
import { CODE_APP, USER } from '../support/world.ts';

const rotation = (world: CodeWorld, token: string) =>
  world.aws.secrets.rotations().find(({ versionId }) => versionId === token);
const stagesOf = (world: CodeWorld, id: string) =>
  world.aws.secrets.versions(TOKEN_SECRET).find((version) => version.id === id)?.stages;
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'nothing thrown',
    (error: Error) => error.name,
  );

describe('rotate', () => {
  it.each(BEHAVIOURS)('rotates repeatedly by rotate-secret when Salesforce is %s', async (behaviour) => {
    const world = await codeWorld(behaviour);
    await world.refresh([NAME]);
    if (behaviour === 'switched') world.salesforce.setRotation(CODE_APP, true);
    for (let n = 1; n <= 3; n++) {
      world.clock.turn(4 * 3600);
      const token = await rotateSecret(world);
      expect(rotation(world, token)).toMatchObject({ outcome: 'rotated', steps: STEPS });
      expect(exchanges(world)).toBe(1 + n);
      expect(world.tokens(NAME)?.['accessToken']).toBe(world.aws.appflow.credentials(NAME)?.accessToken);
      expect(world.tokens(NAME)?.['refreshToken']).toBe(world.salesforce.family(world.seed)?.liveRefreshToken);
      expect(stagesOf(world, token)).toContain('AWSCURRENT');
    }
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it.each([
    ['camel case', STEPS],
    ['snake case', ['create_secret', 'set_secret', 'test_secret', 'finish_secret']],
  ])('accepts each step twice by direct events in %s', async (_, steps) => {
    const world = await codeWorld('rotating');
    await world.refresh([NAME]);
    const token = randomUUID();
    for (const name of steps) {
      await step(world, name, token);
      const before = { ...world.tokens(NAME) };
      await step(world, name, token, world.aws.secrets.describe(TOKEN_SECRET)?.ARN);
      expect(world.tokens(NAME)).toEqual(before);
    }
    expect(exchanges(world)).toBe(2);
    expect(stagesOf(world, token)).toEqual(['AWSCURRENT']);
    expect(faultsOf(world)).toEqual([]);
    // All of them once more, as after a rotation of long ago.
    for (const name of steps) await step(world, name, token);
    expect(exchanges(world)).toBe(2);
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it.each(STEPS)('completes when a refresh comes right after %s', async (last) => {
    const world = await codeWorld('rotating');
    await world.refresh([NAME]);
    const token = randomUUID();
    for (const name of STEPS) {
      await step(world, name, token);
      if (name === last) await world.refresh([NAME]);
    }
    expect(faultsOf(world)).toEqual([]);
    expect(exchanges(world)).toBe(3);
    expect(rotation(world, await rotateSecret(world))?.outcome).toBe('rotated');
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it('rotates again after a refresh has overtaken a rotation between its steps', async () => {
    const world = await codeWorld('rotating');
    await world.refresh([NAME]);
    once(
      world,
      ({ operation }, phase) => phase === 'before' && operation === 'userinfo',
      async () => {
        await world.refresh([NAME]);
        return undefined;
      },
    );
    await rotateSecret(world);
    world.fault = undefined;
    await untilQuiet(world);
    expect(rotation(world, await rotateSecret(world))?.outcome).toBe('rotated');
    expect(faultsOf(world)).toEqual([]);
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it('starts from the seed when there is no token secret, and from a new seed later', async () => {
    const world = await codeWorld('rotating');
    const token = randomUUID();
    for (const name of STEPS) await step(world, name, token);
    expect(faultsOf(world)).toEqual([]);
    await reauthorise(world);
    const next = randomUUID();
    for (const name of STEPS) await step(world, name, next);
    expect(faultsOf(world)).toEqual([]);
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it('waits for the lease of a dead run to end and then rotates', async () => {
    const world = await codeWorld('rotating');
    await world.refresh([NAME]);
    // A run that dies when it has its lease.
    let leased = false;
    world.fault = (call, phase) => {
      leased ||= isExchange(call) && phase === 'before';
      return leased ? 'drop' : undefined;
    };
    await world.refresh([NAME]);
    world.fault = undefined;
    const before = world.clock.now();
    const token = randomUUID();
    // Secrets Manager tries a step again that ran out of time.
    for (let tries = 0; tries < 3 && (await codeOf(step(world, 'createSecret', token))) === 'OUT_OF_TIME'; tries++);
    expect(world.clock.now() - before).toBeGreaterThan(10_000);
    for (const name of STEPS) await step(world, name, token);
    expect(faultsOf(world)).toEqual([]);
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it('finishes with the token from escrow after the secret refused it', async () => {
    const world = await codeWorld('rotating');
    await world.refresh([NAME]);
    let exchanged = false;
    world.fault = (call, phase) => {
      exchanged ||= isExchange(call) && phase === 'after';
      return exchanged && phase === 'before' && call.operation === 'PutSecretValue'
        ? { status: 500, code: 'InternalServiceError' }
        : undefined;
    };
    const token = await rotateSecret(world);
    expect(rotation(world, token)).toMatchObject({ outcome: 'failed' });
    expect(rotation(world, token)?.error).toContain('TOKEN_NOT_PERSISTED');
    expect(world.aws.parameters.all()).toHaveLength(1);
    world.fault = undefined;
    world.clock.turn(TICK);
    await reattempt(world);
    expect(faultsOf(world)).toEqual([]);
    expect(exchanges(world)).toBe(2);
    expect(stagesOf(world, token)).toContain('AWSCURRENT');
    expect(rotation(world, await rotateSecret(world))?.outcome).toBe('rotated');
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it('detects a dead access token in testSecret', async () => {
    const world = await codeWorld('rotating');
    const token = randomUUID();
    await step(world, 'createSecret', token);
    await world.salesforce.revoke(CODE_APP, USER);
    expect(await codeOf(step(world, 'testSecret', token))).toBe('SALESFORCE_REFUSED');
  });

  it('refuses an unknown token secret, step or version', async () => {
    const world = await codeWorld('rotating');
    const token = randomUUID();
    world.addJwt('jwt');
    const arn = world.aws.secrets.describe(`appflow-token-refresher/${NAME}`)?.ARN ?? '';
    for (const id of [`appflow-token-refresher/${NAME}`, arn, 'other', '']) {
      expect(await codeOf(step(world, 'createSecret', token, id))).toBe('INPUT_INVALID');
    }
    expect(await codeOf(step(world, 'deleteSecret', token))).toBe('INPUT_INVALID');
    expect(await codeOf(step(world, 'createSecret', 'short'))).toBe('INPUT_INVALID');
    expect(await codeOf(step(world, 'createSecret', token, 'appflow-token-refresher-tokens/jwt'))).toBe(
      'INPUT_INVALID',
    );
    expect(await codeOf(step(world, 'createSecret', token, 'appflow-token-refresher-tokens/nobody'))).toBe(
      'SECRET_NOT_FOUND',
    );
    expect(sentTokens(world)).toEqual([]);
  });

  it('starts a new interval for the scheduled refresh', async () => {
    const world = await codeWorld('rotating');
    await world.tick();
    world.clock.turn(INTERVAL / 2);
    await rotateSecret(world);
    const before = exchanges(world);
    for (let n = 0; n < INTERVAL / TICK - 1; n++) {
      world.clock.turn(TICK);
      await world.tick();
    }
    expect(exchanges(world)).toBe(before);
  });
});
