import type { Call, Fault } from '../../../infra/local/wire/traffic.ts';
import {
  type Behaviour,
  type CodeWorld,
  codeWorld,
  edit,
  faultsOf,
  INTERVAL,
  isExchange,
  isPersisting,
  NAME,
  reattempt,
  reauthorise,
  rotateSecret,
  TICK,
  untilQuiet,
} from '../code-world.ts';
import { CODE_APP, USER } from '../world.ts';
import type { HandlerProcess, ProcessPool } from './process.ts';

type Phase = 'before' | 'after';
type Hook = (call: Call, phase: Phase) => Fault | undefined | Promise<Fault | undefined>;

/** One moment of a run: a call by its name and how often it came before, and whether it was applied. */
interface Moment {
  readonly label: string;
  readonly phase: Phase;
  /** Salesforce has rotated, and no byte of its answer has reached a store: a crash here loses the token. */
  readonly inWindow: boolean;
}

export interface Variant {
  readonly title: string;
  readonly behaviour: Behaviour;
  /** Brings the connection to where the run begins. */
  readonly prepare: (world: CodeWorld) => Promise<void>;
  /** The run; its functions run in a process of their own. `refresh` comes by the schedule, the queue and a tick. */
  readonly run: 'refresh' | 'refresh by hand' | 'rotate';
  /** Whether it spends a refresh token or a code that cannot be spent again. */
  readonly opensWindow: boolean;
  /** What is broken while it runs; asked with whether a token was exchanged in this run. */
  readonly outage?: (call: Call, exchanged: boolean) => Fault | undefined;
}

export type Verdict = 'ok' | 'window' | 'LOST' | 'not reached';

export interface Cell extends Moment {
  readonly verdict: Verdict;
  readonly faults: readonly string[];
}

const firstUse = async () => undefined;
const refreshed = async (world: CodeWorld) => {
  await world.tick();
  world.clock.turn(INTERVAL + TICK);
};
const storeIsDown = (call: Call, exchanged: boolean): Fault | undefined =>
  exchanged && call.operation === 'PutSecretValue' ? { status: 500, code: 'InternalServiceError' } : undefined;

/** All that a rotating refresh goes through in its life. */
export const STEADY: Variant = {
  title: 'a steady refresh, rotating',
  behaviour: 'rotating',
  prepare: refreshed,
  run: 'refresh',
  opensWindow: true,
};

export const VARIANTS: readonly Variant[] = [
  STEADY,
  {
    title: 'a steady refresh by hand, rotating',
    behaviour: 'rotating',
    prepare: refreshed,
    run: 'refresh by hand',
    opensWindow: true,
  },
  { title: 'a first use, rotating', behaviour: 'rotating', prepare: firstUse, run: 'refresh', opensWindow: true },
  { title: 'a first use, not rotating', behaviour: 'steady', prepare: firstUse, run: 'refresh', opensWindow: false },
  {
    title: 'a steady refresh, not rotating',
    behaviour: 'steady',
    prepare: refreshed,
    run: 'refresh',
    opensWindow: false,
  },
  {
    title: 'the first refresh after rotation was switched on',
    behaviour: 'switched',
    async prepare(world) {
      await refreshed(world);
      world.salesforce.setRotation(CODE_APP, true);
    },
    run: 'refresh',
    opensWindow: true,
  },
  {
    title: 'a first use with an authorization code, rotating',
    behaviour: 'rotating',
    async prepare(world) {
      const redirectUri = 'http://127.0.0.1:8400/';
      const authCode = await world.salesforce.issueAuthCode(CODE_APP, USER, redirectUri);
      edit(world, { refreshToken: undefined, oAuthRequest: { authCode, redirectUri } });
      world.seed = '';
    },
    run: 'refresh',
    opensWindow: true,
  },
  {
    title: 'a re-authorisation, rotating',
    behaviour: 'rotating',
    async prepare(world) {
      await refreshed(world);
      await reauthorise(world);
    },
    run: 'refresh',
    opensWindow: true,
  },
  {
    title: 'the path through escrow: the store takes nothing after the exchange',
    behaviour: 'rotating',
    prepare: refreshed,
    run: 'refresh',
    opensWindow: true,
    outage: storeIsDown,
  },
  {
    title: 'the way back from escrow',
    behaviour: 'rotating',
    async prepare(world) {
      await refreshed(world);
      let exchanged = false;
      world.fault = (call, phase) => {
        exchanged ||= phase === 'after' && isExchange(call);
        return phase === 'before' ? storeIsDown(call, exchanged) : undefined;
      };
      await world.tick();
      world.fault = undefined;
      world.clock.turn(INTERVAL + TICK);
    },
    run: 'refresh',
    opensWindow: true,
  },
  {
    title: "rotate's four steps, rotating",
    behaviour: 'rotating',
    prepare: refreshed,
    run: 'rotate',
    opensWindow: true,
  },
  {
    title: "rotate's four steps, not rotating",
    behaviour: 'steady',
    prepare: refreshed,
    run: 'rotate',
    opensWindow: false,
  },
  {
    title: "rotate's four steps through escrow",
    behaviour: 'rotating',
    prepare: refreshed,
    run: 'rotate',
    opensWindow: true,
    outage: storeIsDown,
  },
];

const WATCHED = ['secretsmanager', 'salesforce', 'ssm', 'appflow'];

/** Names each call of one run, and asks `at` at each moment of it. */
function watch(variant: Variant, at: (moment: Moment, ours: boolean) => Promise<Fault | undefined>): Hook {
  const seen = new Map<string, number>();
  const labels = new WeakMap<Call, string>();
  let exchanged = false;
  let stored = false;
  let handingOver = false;
  return async (call, phase) => {
    // RotateSecret is the test's own: the rotation runs while it is being answered.
    if (!WATCHED.includes(call.service) || call.operation === 'RotateSecret') return undefined;
    if (phase === 'before') {
      const name = `${call.service} ${call.operation}`;
      seen.set(name, (seen.get(name) ?? 0) + 1);
      labels.set(call, `${name} #${seen.get(name)}`);
    }
    const rotates = variant.behaviour !== 'steady';
    if (phase === 'after' && isExchange(call)) exchanged = true;
    if (phase === 'after' && exchanged && (isPersisting(call) || call.operation === 'PutParameter')) stored = true;
    // AppFlow tries the access token itself: that call is not ours, and goes on when we are dead.
    const ours = !(handingOver && call.operation === 'userinfo');
    if (call.operation === 'UpdateConnectorProfile') handingOver = phase === 'before';
    const moment = { label: labels.get(call) ?? '', phase, inWindow: exchanged && !stored && rotates };
    const fault = await at(moment, ours);
    if (fault !== undefined) return fault;
    return phase === 'before' ? variant.outage?.(call, exchanged) : undefined;
  };
}

/** A world with a process that runs `refresh` and `rotate` while `running`. */
async function processWorld(variant: Variant, pool: ProcessPool) {
  let child: HandlerProcess | undefined;
  let hook: Hook | undefined;
  const world = await codeWorld(variant.behaviour, {
    elsewhere(name, event) {
      if (child === undefined || (name !== 'refresh' && name !== 'rotate')) return undefined;
      // Only what the function does is watched, not what the schedule did before.
      world.fault = hook;
      const request = { functionName: name, event, at: world.clock.now(), env: world.env } as const;
      return child
        .run(request, world.clock)
        .then(([result]) => result)
        .finally(() => {
          world.fault = undefined;
        });
    },
  });
  await variant.prepare(world);
  return {
    world,
    async run(watched: Hook, taken: HandlerProcess = pool.take()): Promise<void> {
      hook = watched;
      child = taken;
      await start(variant, world);
      child = undefined;
    },
    dead: () => {
      child = undefined;
    },
  };
}

async function start(variant: Variant, world: CodeWorld): Promise<void> {
  if (variant.run === 'refresh') return world.tick();
  if (variant.run === 'refresh by hand') {
    await world.refresh([NAME]).catch(() => undefined);
    return;
  }
  await rotateSecret(world);
}

/** Every moment of an undisturbed run: which calls there are is learnt from the run, not from a list. */
async function moments(variant: Variant, pool: ProcessPool): Promise<Moment[]> {
  const { world, run } = await processWorld(variant, pool);
  const found: Moment[] = [];
  await run(
    watch(variant, async (moment) => {
      found.push(moment);
      return undefined;
    }),
  );
  await settle(variant, world);
  await world.close();
  return found;
}

async function settle(variant: Variant, world: CodeWorld): Promise<void> {
  if (variant.run === 'rotate') await reattempt(world);
  await untilQuiet(world);
}

/** Kills the process at one moment, runs again until quiet, and looks. */
async function cell(variant: Variant, moment: Moment, pool: ProcessPool): Promise<Cell> {
  const { world, run, dead } = await processWorld(variant, pool);
  const child = pool.take();
  let killed = false;
  await run(
    watch(variant, async (now, ours) => {
      if (killed || now.label !== moment.label || now.phase !== moment.phase) return undefined;
      killed = true;
      dead();
      await child.kill();
      world.fault = undefined;
      // Before: it never arrived. After: nobody is left to hear the answer.
      return ours ? 'drop' : undefined;
    }),
    child,
  );
  if (!killed) return { ...moment, verdict: 'not reached', faults: [] };
  await settle(variant, world).catch((error: unknown) => {
    if (!moment.inWindow) throw error;
  });
  adoptCode(world);
  const faults = faultsOf(world);
  if (faults.length === 0 && world.salesforce.spentTokenUses > 0) faults.push('a spent token was sent');
  if (variant.run === 'rotate' && !moment.inWindow) faults.push(...(await rotatesAgain(world)));
  // Whatever was lost, a person who authorises the app again has it all back.
  if (faults.length > 0) {
    await reauthorise(world);
    await untilQuiet(world);
    faults.push(...faultsOf(world).map((fault) => `even after a new authorisation ${fault}`));
  }
  await world.close();
  const isLost = moment.inWindow ? faults.some((fault) => fault.startsWith('even')) : faults.length > 0;
  return { ...moment, verdict: isLost ? 'LOST' : moment.inWindow ? 'window' : 'ok', faults };
}

/** The family that came of a code is known once there is a token of it. */
function adoptCode(world: CodeWorld): void {
  const stored = world.tokens(NAME)?.['refreshToken'];
  if (world.seed === '' && typeof stored === 'string') world.seed = stored;
}

async function rotatesAgain(world: CodeWorld): Promise<string[]> {
  try {
    const token = await rotateSecret(world);
    const rotation = world.aws.secrets.rotations().find(({ versionId }) => versionId === token);
    return rotation?.outcome === 'rotated'
      ? faultsOf(world)
      : [`the next rotation ${rotation?.error ?? 'never began'}`];
  } catch (error) {
    return [`the next rotation was refused: ${error instanceof Error ? error.message : ''}`];
  }
}

export interface Matrix {
  readonly variant: Variant;
  readonly cells: readonly Cell[];
}

export async function crashMatrix(variant: Variant, pool: ProcessPool): Promise<Matrix> {
  const cells: Cell[] = [];
  for (const moment of await moments(variant, pool)) cells.push(await cell(variant, moment, pool));
  return { variant, cells };
}

/** One line a call, one column a phase. */
export function printed({ variant, cells }: Matrix): string {
  const labels = [...new Set(cells.map(({ label }) => label))];
  const width = Math.max(...labels.map(({ length }) => length));
  const verdict = (label: string, phase: Phase) =>
    cells.find((one) => one.label === label && one.phase === phase)?.verdict ?? '-';
  const rows = labels.map(
    (label) => `  ${label.padEnd(width)}  ${verdict(label, 'before').padEnd(12)}${verdict(label, 'after')}`,
  );
  const lost = cells.filter(({ verdict: is }) => is === 'LOST' || is === 'not reached');
  const count = (is: Verdict) => cells.filter((one) => one.verdict === is).length;
  return [
    `${variant.title}: killed at ${cells.length} moments of ${labels.length} calls, ${count('ok')} ok, ${count('window')} in the window`,
    `  ${'killed'.padEnd(width)}  ${'before'.padEnd(12)}after it was applied`,
    ...rows,
    ...lost.map(({ label, phase, faults }) => `  ! ${phase} ${label}: ${faults.join('; ')}`),
    '',
  ].join('\n');
}

/** Milliseconds from Salesforce's rotation to the moment at which the store has the new token, in runs that nothing disturbs. */
export async function measureWindow(runs: number, pool: ProcessPool): Promise<number[]> {
  const { world, run } = await processWorld(STEADY, pool);
  const child = pool.take();
  const lengths: number[] = [];
  for (let n = 0; n < runs; n++) {
    let rotatedAt = 0;
    await run(async (call, phase) => {
      if (phase === 'after' && isExchange(call)) rotatedAt = performance.now();
      if (phase === 'after' && isPersisting(call)) lengths.push(performance.now() - rotatedAt);
      return undefined;
    }, child);
    world.clock.turn(INTERVAL + TICK);
  }
  await world.close();
  return lengths.toSorted((a, b) => a - b);
}
