import { describe, expect, it } from 'vitest';
import { create as createRefresh } from '../../functions/refresh.ts';
import {
  codeWorld,
  exchanges,
  faultsOf,
  INTERVAL,
  isExchange,
  NAME,
  once,
  reauthorise,
  TICK,
  ticks,
} from '../support/code-world.ts';

const first = async (world: Awaited<ReturnType<typeof codeWorld>>) => (await world.refresh([NAME])).connections[0];

describe('the rotation protocol', () => {
  it('starts an exchange only with enough time left to store its result', async () => {
    const world = await codeWorld('rotating');
    await world.refresh([NAME]);
    const before = exchanges(world);
    const handler = createRefresh(world.clock);
    const context = { awsRequestId: 'r', functionName: 'refresh', getRemainingTimeInMillis: () => 9_000 };
    const report = await handler({ connections: [NAME] }, context as Parameters<typeof handler>[1]);
    expect(report).toMatchObject({ connections: [{ outcome: 'failed', error: { code: 'OUT_OF_TIME' } }] });
    expect(exchanges(world)).toBe(before);
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(faultsOf(world)).toEqual([]);
  });

  it('respects a lease that it cannot read yet', async () => {
    const world = await codeWorld('rotating');
    await world.refresh([NAME]);
    const outcomes: unknown[] = [];
    let inner = false;
    world.fault = async (call, phase) => {
      if (inner) {
        const { VersionId } = call.input as { VersionId?: string };
        const isLeaseRead = call.operation === 'GetSecretValue' && VersionId !== undefined;
        return isLeaseRead && phase === 'before' ? { status: 400, code: 'ResourceNotFoundException' } : undefined;
      }
      if (phase !== 'before' || !isExchange(call)) return undefined;
      inner = true;
      outcomes.push((await first(world))?.outcome);
      inner = false;
      world.fault = undefined;
      return undefined;
    };
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(outcomes).toEqual(['in-progress']);
    expect(world.salesforce.spentTokenUses).toBe(0);
    expect(faultsOf(world)).toEqual([]);
  });

  it('keeps to the new seed when a slow run has read the old one before a new authorisation', async () => {
    const world = await codeWorld('rotating');
    await world.refresh([NAME]);
    const moved = once(
      world,
      (call, phase) => phase === 'after' && call.operation === 'DescribeConnectorProfiles',
      async () => {
        await reauthorise(world);
        expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
        return undefined;
      },
    );
    await world.refresh([NAME]);
    expect(moved.happened).toBe(true);
    expect(world.salesforce.spentTokenUses).toBe(0);
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(faultsOf(world)).toEqual([]);
  });

  it('leaves an unused old seed unspent after a new authorisation', async () => {
    const world = await codeWorld('rotating');
    once(
      world,
      (call, phase) => phase === 'after' && call.operation === 'DescribeConnectorProfiles',
      async () => {
        await reauthorise(world);
        expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
        return undefined;
      },
    );
    await world.refresh([NAME]);
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(world.salesforce.spentTokenUses).toBe(0);
    expect(faultsOf(world)).toEqual([]);
  });

  it('exchanges at most once per interval while AppFlow calls live tokens invalid', async () => {
    const world = await codeWorld('rotating');
    await world.tick();
    const before = exchanges(world);
    world.fault = (call, phase) =>
      phase === 'before' && call.operation === 'UpdateConnectorProfile'
        ? { status: 401, code: 'ConnectorAuthenticationException' }
        : undefined;
    await ticks(world, (4 * INTERVAL) / TICK);
    expect(exchanges(world) - before).toBeLessThanOrEqual(4);
  });

  it('gets a fresh token when the stored one has died before AppFlow accepted it', async () => {
    const world = await codeWorld('rotating');
    world.fault = ({ operation }, phase) =>
      phase === 'before' && operation === 'UpdateConnectorProfile'
        ? { status: 500, code: 'InternalServerException' }
        : undefined;
    await world.tick();
    world.fault = undefined;
    const token = String(world.tokens(NAME)?.['accessToken']);
    const body = new URLSearchParams({ token });
    await fetch(`${world.salesforce.url}/services/oauth2/revoke`, { method: 'POST', body });
    await ticks(world, 1);
    expect(exchanges(world)).toBe(2);
    expect(faultsOf(world)).toEqual([]);
  });

  it('waits while Salesforce is already processing a request with the token', async () => {
    const world = await codeWorld('rotating');
    let refusals = 2;
    world.fault = (call, phase) =>
      isExchange(call) && phase === 'before' && refusals-- > 0
        ? { status: 400, code: 'invalid_grant', message: 'token request is already being processed' }
        : undefined;
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(exchanges(world)).toBe(3);
    expect(faultsOf(world)).toEqual([]);
  });
});
