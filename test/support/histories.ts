import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { Call, Fault } from '../../infra/local/wire/traffic.ts';
import {
  BEHAVIOURS,
  type Behaviour,
  type CodeWorld,
  codeWorld,
  edit,
  faultsOf,
  isExchange,
  isPersisting,
  NAME,
  reauthorise,
  STEPS,
  step,
  TICK,
} from './code-world.ts';
import { CODE_APP, USER } from './world.ts';

type Phase = 'before' | 'after';

/** What people and AWS know of the connection. What it truly holds is asked of the world. */
interface Expected {
  rotation: boolean;
  /** A person must authorise again: the window took the token, or an administrator revoked it. */
  lost: boolean;
  /** Uses of spent tokens that are excused by that. */
  excused: number;
  outage: Outage | undefined;
}

const OUTAGES = [
  'the store',
  'escrow',
  'both stores',
  'Secrets Manager',
  'AppFlow',
  'Salesforce',
  'the answers',
] as const;
type Outage = (typeof OUTAGES)[number];

const RUNS = ['tick', 'refresh by hand', 'rotate'] as const;
type RunKind = (typeof RUNS)[number];

type Command = fc.AsyncCommand<Expected, History>;

const failing = { status: 500, code: 'InternalServiceError' } as const;

/** One connection's life, and what happens to the calls of its runs. */
class History {
  readonly world: CodeWorld;
  #expected: Expected | undefined;
  /** Salesforce has rotated and no byte of its answer has reached a store. */
  #unsaved = false;
  /** Asked at each call of a run; its answer comes before that of the outage. */
  #disturb: ((call: Call, phase: Phase) => Promise<Fault | undefined>) | undefined;

  constructor(world: CodeWorld) {
    this.world = world;
    world.fault = async (call, phase) => {
      if (phase === 'after' && isExchange(call) && this.#expected?.rotation === true) this.#unsaved = true;
      if (phase === 'after' && (isPersisting(call) || call.operation === 'PutParameter')) this.#unsaved = false;
      return (await this.#disturb?.(call, phase)) ?? faultOf(this.#expected?.outage, call, phase);
    };
  }

  /** One run, whatever becomes of it, and then a look at the token. */
  async run(kind: RunKind, expected: Expected, disturb?: (call: Call, phase: Phase) => Promise<Fault | undefined>) {
    this.#expected = expected;
    this.#disturb = disturb;
    await start(kind, this.world).catch(() => undefined);
    this.#disturb = undefined;
    if (this.#unsaved) expected.lost = true;
    this.#unsaved = false;
    this.look(expected);
  }

  /** The live token is where the next run finds it, and no spent one was sent. */
  look(expected: Expected): void {
    const { salesforce } = this.world;
    if (expected.lost) {
      expected.excused = salesforce.spentTokenUses;
      return;
    }
    if (salesforce.spentTokenUses > expected.excused) throw new Error('A spent token was sent.');
    const family = salesforce.family(this.world.seed);
    if (family?.alive !== true) throw new Error('The family is dead.');
    const live = family.liveRefreshToken;
    const places = [this.world.tokens(NAME)?.['refreshToken'], this.#inEscrow(), this.world.seed];
    if (!places.includes(live)) throw new Error('The live refresh token is nowhere.');
  }

  #inEscrow(): unknown {
    const [kept] = this.world.aws.parameters.all();
    return kept === undefined ? undefined : JSON.parse(kept.value).record.refreshToken;
  }

  async reauthorise(expected: Expected): Promise<void> {
    await reauthorise(this.world);
    expected.lost = false;
    expected.excused = this.world.salesforce.spentTokenUses;
  }

  /** When all is well again and somebody asks, the store, Salesforce and AppFlow agree. */
  async end(expected: Expected): Promise<void> {
    expected.outage = undefined;
    if (expected.lost) await this.reauthorise(expected);
    this.world.clock.turn(TICK);
    await this.run('refresh by hand', expected);
    const faults = faultsOf(this.world);
    if (expected.lost || faults.length > 0) throw new Error(`In the end ${faults.join(', ')}`);
    for (let n = 0; n < 2; n++) {
      this.world.clock.turn(TICK);
      const before = this.world.aws.calls.length;
      await this.world.tick();
      if (this.world.aws.calls.slice(before).some(({ operation }) => operation === 'UpdateConnectorProfile'))
        throw new Error('It was refreshed again before its interval was over.');
    }
  }
}

async function start(kind: RunKind, world: CodeWorld): Promise<void> {
  if (kind === 'tick') return world.tick();
  if (kind === 'refresh by hand') {
    await world.refresh([NAME]);
    return;
  }
  const token = randomUUID();
  for (const Step of STEPS) await step(world, Step, token);
}

function faultOf(outage: Outage | undefined, call: Call, phase: Phase): Fault | undefined {
  const { service, operation } = call;
  switch (outage) {
    case 'the store':
      return phase === 'before' && isPersisting(call) ? failing : undefined;
    case 'escrow':
      return phase === 'before' && service === 'ssm' ? failing : undefined;
    case 'both stores':
      return phase === 'before' && (isPersisting(call) || service === 'ssm') ? failing : undefined;
    case 'Secrets Manager':
      return phase === 'before' && service === 'secretsmanager' ? failing : undefined;
    case 'AppFlow':
      return phase === 'before' && operation === 'UpdateConnectorProfile' ? failing : undefined;
    case 'Salesforce':
      return phase === 'before' && service === 'salesforce' ? { status: 503, code: 'html' } : undefined;
    case 'the answers':
      // What the stores did is done, and nobody hears of it.
      return phase === 'after' && (service === 'ssm' || operation === 'PutSecretValue') ? 'drop' : undefined;
    default:
      return undefined;
  }
}

/** A command that is always possible. */
function command(name: string, run: (expected: Expected, history: History) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name };
}

const calls = fc.nat({ max: 16 });
const phases = fc.constantFrom<Phase>('before', 'after');
const kinds = fc.constantFrom(...RUNS);

/** A run that dies at its nth call: nothing that it still sends arrives. */
const crash = fc.tuple(kinds, calls, phases).map(([kind, at, phase]) =>
  command(`${kind}, dead ${phase} call ${at}`, async (expected, history) => {
    let n = 0;
    let dead = false;
    await history.run(kind, expected, async ({ service }, now) => {
      if (service === 'sqs') return undefined;
      dead ||= now === phase && n === at;
      if (now === 'before') n += 1;
      return dead ? 'drop' : undefined;
    });
  }),
);

/** Something that happens while a run waits for the answer to its nth call. */
const within = fc
  .tuple(kinds, calls, phases, fc.constantFrom('a refresh', 'a new seed', 'a new seed and a refresh', 'the same seed'))
  .map(([kind, at, phase, what]) =>
    command(`${what} within ${kind}, ${phase} call ${at}`, async (expected, history) => {
      let n = 0;
      let happened = false;
      await history.run(kind, expected, async ({ service }, now) => {
        if (happened || service === 'sqs') return undefined;
        const isThere = now === phase && n === at;
        if (now === 'before') n += 1;
        if (!isThere) return undefined;
        happened = true;
        if (what.startsWith('a new seed')) await history.reauthorise(expected);
        if (what.endsWith('a refresh')) await history.world.refresh([NAME]).catch(() => undefined);
        if (what === 'the same seed') edit(history.world, {});
        return undefined;
      });
    }),
  );

/** A run that meets trouble which has passed when the next one comes. */
const during = fc.tuple(kinds, fc.constantFrom(...OUTAGES), fc.boolean()).map(([kind, outage, again]) =>
  command(`${kind} with ${outage} down${again ? ', and again without' : ''}`, async (expected, history) => {
    const before = expected.outage;
    expected.outage = outage;
    await history.run(kind, expected);
    expected.outage = before;
    if (!again) return;
    history.world.clock.turn(TICK);
    await history.run(kind, expected);
  }),
);

const commands = [
  kinds.map((kind) => command(kind, (expected, history) => history.run(kind, expected))),
  fc.integer({ min: 1, max: 3 }).map((count) =>
    command(`${count} ticks`, async (expected, history) => {
      for (let n = 0; n < count; n++) {
        history.world.clock.turn(TICK);
        await history.run('tick', expected);
      }
    }),
  ),
  crash,
  within,
  during,
  fc.constantFrom(undefined, ...OUTAGES).map((outage) =>
    command(outage === undefined ? 'all is up' : `${outage} down`, async (expected) => {
      expected.outage = outage;
    }),
  ),
  // Clocks of two functions differ by seconds; between two ticks anything may pass.
  fc
    .oneof(fc.integer({ min: -5, max: 120 }), fc.constantFrom(3_600, 7_300, 90_000))
    .map((seconds) => command(`the clock moves ${seconds} s`, async (_, { world }) => world.clock.turn(seconds))),
  fc.constantFrom('a new seed', 'the same seed', 'another interval').map((what) =>
    command(`the operator stores ${what}`, async (expected, history) => {
      if (what === 'a new seed') return history.reauthorise(expected);
      edit(history.world, what === 'the same seed' ? {} : { handOver: 'ACCESS_TOKEN' });
    }),
  ),
  fc.boolean().map((on) =>
    command(`rotation is switched ${on ? 'on' : 'off'}`, async (expected, { world }) => {
      world.salesforce.setRotation(CODE_APP, on);
      expected.rotation = on;
    }),
  ),
  fc.constant(
    command('an administrator revokes', async (expected, { world }) => {
      await world.salesforce.revoke(CODE_APP, USER);
      expected.lost = true;
    }),
  ),
];

/** Runs histories of one connection and fails with the shortest one that breaks a promise. */
export async function histories(numRuns: number, behaviours: readonly Behaviour[] = BEHAVIOURS): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...behaviours),
      fc.commands(commands, { maxCommands: 10, size: 'max' }),
      async (behaviour, history) => {
        const world = await codeWorld(behaviour);
        const expected = { rotation: behaviour === 'rotating', lost: false, excused: 0, outage: undefined };
        const real = new History(world);
        try {
          await fc.asyncModelRun(() => ({ model: expected, real }), history);
          await real.end(expected);
        } finally {
          await world.close();
        }
      },
    ),
    { numRuns, endOnFailure: false },
  );
}
