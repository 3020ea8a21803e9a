import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { create as createRotate } from '../../functions/rotate.ts';
import {
  type CodeWorld,
  codeWorld,
  faultsOf,
  isExchange,
  NAME,
  reattempt,
  STEPS,
  sentTokens,
  step,
  TOKEN_SECRET,
  untilQuiet,
} from '../support/code-world.ts';
import { HandlerProcess, ProcessPool } from '../support/crash/process.ts';
import type { Report } from '../support/world.ts';

let pool: ProcessPool;
beforeAll(async () => {
  pool = await ProcessPool.start(0);
});
afterAll(() => pool.end());

const outcomes = (reports: readonly Report[]) => reports.map(({ connections }) => connections[0]?.outcome);

/** Each token was sent once, and the family, AWSCURRENT and AppFlow agree. */
function expectNoneSpentTwice(world: CodeWorld): void {
  const sent = sentTokens(world);
  expect(new Set(sent).size).toBe(sent.length);
  expect(world.salesforce.spentTokenUses).toBe(0);
  expect(faultsOf(world)).toEqual([]);
}

describe('simultaneous runs of one rotating connection', () => {
  it.each([
    ['that was never used', false],
    ['that is in use', true],
  ])('spend each token once in 50 runs of one process on a connection %s', async (_, used) => {
    const world = await codeWorld('rotating');
    if (used) await world.refresh([NAME]);
    const reports = await Promise.all(Array.from({ length: 50 }, () => world.refresh([NAME])));
    expect(outcomes(reports)).toContain('refreshed');
    expect(new Set(outcomes(reports))).toEqual(new Set(['refreshed', 'in-progress']));
    expectNoneSpentTwice(world);
    const refreshed = outcomes(reports).filter((outcome) => outcome === 'refreshed').length;
    expect(sentTokens(world)).toHaveLength(refreshed + (used ? 1 : 0));
  });

  it('spend each token once in 50 runs across five processes', async () => {
    const world = await codeWorld('rotating');
    const processes = Array.from({ length: 5 }, () => pool.take());
    expect(processes.every((one) => one instanceof HandlerProcess)).toBe(true);
    const request = {
      functionName: 'refresh',
      event: { connections: [NAME] },
      at: world.clock.now(),
      env: world.env,
      times: 10,
    } as const;
    const reports = (await Promise.all(processes.map((one) => one.run(request, world.clock)))).flat() as Report[];
    expect(reports).toHaveLength(50);
    expect(new Set(outcomes(reports))).toEqual(new Set(['refreshed', 'in-progress']));
    expectNoneSpentTwice(world);
  });

  it('spend each authorization code once', async () => {
    const world = await codeWorld('rotating');
    const redirectUri = 'http://127.0.0.1:8400/';
    const authCode = await world.salesforce.issueAuthCode('code-app', 'integration@example.com', redirectUri);
    const secret = JSON.parse(world.aws.secrets.read(`appflow-token-refresher/${NAME}`) ?? '');
    const { refreshToken: _, ...rest } = secret;
    world.aws.secrets.put(
      `appflow-token-refresher/${NAME}`,
      JSON.stringify({ ...rest, oAuthRequest: { authCode, redirectUri } }),
    );
    const reports = await Promise.all(Array.from({ length: 20 }, () => world.refresh([NAME])));
    expect(new Set(outcomes(reports))).toEqual(new Set(['refreshed', 'in-progress']));
    world.seed = String(world.tokens(NAME)?.['refreshToken']);
    expectNoneSpentTwice(world);
  });
});

/** A rotation by somebody who has little time: it does not outwait the run that it meets. */
async function hastyRotation(world: CodeWorld): Promise<string[]> {
  const handler = createRotate(world.clock);
  const context = { awsRequestId: 'r', functionName: 'rotate', getRemainingTimeInMillis: () => 20_000 };
  const ClientRequestToken = randomUUID();
  const errors: string[] = [];
  for (const Step of STEPS) {
    await handler({ Step, SecretId: TOKEN_SECRET, ClientRequestToken }, context as Parameters<typeof handler>[1]).catch(
      (error: Error) => errors.push(`${Step}: ${error.name}`),
    );
  }
  return errors;
}

async function wholeRotation(world: CodeWorld): Promise<void> {
  const token = randomUUID();
  for (const Step of STEPS) await step(world, Step, token);
}

/** Lets one thing happen at each call of another, before it is applied and after. */
async function atEachCall(
  world: CodeWorld,
  outer: () => Promise<unknown>,
  inner: () => Promise<unknown>,
): Promise<string[]> {
  const names: string[] = [];
  world.fault = async ({ operation }, phase) => {
    names.push(`${phase} ${operation}`);
    return undefined;
  };
  await outer();
  for (let at = 0; at < names.length; at++) {
    // Versions are pruned when a day old, and there may be 100.
    world.clock.turn(6 * 3600);
    let n = 0;
    world.fault = async () => {
      if (n++ !== at) return undefined;
      const hook = world.fault;
      world.fault = undefined;
      await inner();
      world.fault = hook;
      return undefined;
    };
    await outer();
    world.fault = undefined;
    await reattempt(world);
    await untilQuiet(world);
    expect([names[at], ...faultsOf(world), world.salesforce.spentTokenUses]).toEqual([names[at], 0]);
  }
  world.fault = undefined;
  expectNoneSpentTwice(world);
  return names;
}

describe('runs of rotate and refresh, one within the other at every call,', () => {
  it('spend each token once when a refresh runs within a rotation', async () => {
    const world = await codeWorld('rotating');
    await world.refresh([NAME]);
    const names = await atEachCall(
      world,
      () => wholeRotation(world),
      async () => {
        const report = await world.refresh([NAME]);
        expect(['refreshed', 'in-progress']).toContain(report.connections[0]?.outcome);
      },
    );
    expect(names).toContain('after token:refresh_token');
  });

  it('spend each token once when a rotation runs within a refresh', async () => {
    const world = await codeWorld('rotating');
    await world.refresh([NAME]);
    await atEachCall(
      world,
      () => world.refresh([NAME]),
      async () => {
        for (const error of await hastyRotation(world)) expect(error).toMatch(/OUT_OF_TIME$/);
      },
    );
  });

  it('spend each token once when a refresh runs within a refresh', async () => {
    const world = await codeWorld('rotating');
    await world.refresh([NAME]);
    await atEachCall(
      world,
      () => world.refresh([NAME]),
      () => world.refresh([NAME]),
    );
  });

  it('send a token only once while Salesforce works on it', async () => {
    const world = await codeWorld('rotating');
    await world.refresh([NAME]);
    const inner: unknown[] = [];
    let waiting = false;
    world.fault = async (call, phase) => {
      if (waiting || !isExchange(call) || phase !== 'before') return undefined;
      waiting = true;
      inner.push(...outcomes(await Promise.all([world.refresh([NAME]), world.refresh([NAME])])));
      return undefined;
    };
    await world.refresh([NAME]);
    expect(inner).toEqual(['in-progress', 'in-progress']);
    expectNoneSpentTwice(world);
  });
});
