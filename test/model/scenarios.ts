import { type Bounds, packed } from './budgets.ts';
import { type Choice, choicesIn } from './choices.ts';
import type { Core } from './core.ts';
import type { Kind } from './programs.ts';
import { newRun, type State } from './state.ts';
import { after, NOT_COUNTED } from './steps.ts';
import { newWorld, type World } from './world.ts';

/** How the token secret is found when the runs begin. */
export type Start =
  /** There is none. */
  | 'first use'
  /** It was made without a value. */
  | 'an empty secret'
  /** There is none, and the seed is an authorization code. */
  | 'a code'
  /** A run has refreshed and released its lease. */
  | 'stored'
  /** A run has stored a token and died before the hand-over. Its lease has run out. */
  | 'a lease left'
  /** A run had to put its token into escrow. Its lease has run out. */
  | 'escrow left';

export interface Scenario {
  readonly start: Start;
  readonly runs: readonly Kind[];
  readonly rotates: boolean;
  readonly bounds: Bounds;
  /** Whether paused runs wake up. */
  readonly wakes?: boolean;
}

/** Long enough before time zero for every lease to have run out, and for the connection to be due. */
const EARLIER = -7_000_000;

export function titleOf({ start, runs, rotates, bounds, wakes }: Scenario): string {
  const most = Object.entries(bounds).map(([lane, most]) => `${most} ${lane}`);
  return `${runs.join(' + ')}, ${start}, ${rotates ? 'rotating' : 'steady'}: ${most.join(', ') || 'no faults'}${wakes === true ? ', paused runs wake' : ''}`;
}

export async function startOf(scenario: Scenario, core: Core): Promise<State> {
  const { bounds, wakes = false } = scenario;
  const world = await prepared(scenario, core);
  const kinds = new Map<Kind, number>();
  const runs = [];
  for (const kind of scenario.runs) {
    const count = (kinds.get(kind) ?? 0) + 1;
    kinds.set(kind, count);
    runs.push(await newRun(kind, `${kind}-${count}`, core, 0));
  }
  const last = bounds.switches === undefined ? NOT_COUNTED : -1;
  return { core, world, runs, late: [], wakes, left: packed(bounds), last, violation: undefined };
}

async function prepared({ start, rotates }: Scenario, core: Core): Promise<World> {
  switch (start) {
    case 'first use':
      return newWorld({ rotates });
    case 'an empty secret':
      return newWorld({ rotates, secretExists: true });
    case 'a code':
      return newWorld({ rotates, isCode: true });
    case 'stored':
      return once(newWorld({ rotates }), core, () => undefined);
    case 'a lease left':
      return once(
        newWorld({ rotates }),
        core,
        (choices) => choices.find(({ act, op }) => act === 'die' && op === 'put'),
        {
          skip: 1,
        },
      );
    case 'escrow left':
      return once(
        newWorld({ rotates }),
        core,
        (choices) => choices.find(({ act, op }) => act === 'refuse' && op === 'put'),
        { skip: 1, always: true },
      );
  }
}

/** The world after one run by hand, long ago. `fault` says what befalls it, after it was passed over `skip` times. */
async function once(
  world: World,
  core: Core,
  fault: (choices: readonly Choice[]) => Choice | undefined,
  { skip = 0, always = false } = {},
): Promise<World> {
  const left = packed({ faults: 1, crashes: 1 });
  const run = await newRun('hand', 'before', core, EARLIER);
  let state: State = {
    core,
    world: { ...world, time: EARLIER },
    runs: [run],
    late: [],
    wakes: false,
    left,
    last: NOT_COUNTED,
    violation: undefined,
  };
  let passedOver = 0;
  while (state.runs[0]?.status === 'live') {
    const choices = choicesIn(state);
    const wanted = fault(choices);
    const isDue = wanted !== undefined && passedOver >= skip;
    if (wanted !== undefined && !isDue) passedOver += 1;
    const choice = isDue ? wanted : choices[0];
    if (choice === undefined) throw new Error('The run waits for nothing.');
    state = await after(always ? { ...state, left } : state, choice);
  }
  return { ...state.world, time: 0, lease: undefined };
}

const STARTS: readonly Start[] = ['first use', 'an empty secret', 'a code', 'stored', 'a lease left', 'escrow left'];
const SOME_STARTS: readonly Start[] = ['stored', 'escrow left'];
const TRIPLES: readonly (readonly Kind[])[] = [
  ['queue', 'hand', 'rotate'],
  ['queue', 'retry', 'hand'],
];

/** For two runs, without a bound on switches: every order of their calls is walked. */
const TOGETHER: readonly Bounds[] = [
  { crashes: 1, faults: 1, lates: 1, pauses: 1 },
  { slows: 1, pauses: 1 },
  { clocks: 1, pauses: 1 },
  { seeds: 1, lates: 1, pauses: 1 },
];
/** For three runs, one of anything. */
const ONE_OF: readonly Bounds[] = [
  { crashes: 1, pauses: 1 },
  { faults: 1 },
  { lates: 1, pauses: 1 },
  { slows: 1 },
  { seeds: 1 },
  { clocks: 1 },
].map((bounds) => ({ ...bounds, switches: 2 }));

function product(starts: readonly Start[], kinds: readonly (readonly Kind[])[], all: readonly Bounds[], wakes = false) {
  return [true, false].flatMap((rotates) =>
    starts.flatMap((start) =>
      kinds.flatMap((runs) => all.map((bounds): Scenario => ({ start, runs, rotates, bounds, wakes }))),
    ),
  );
}

export const SCENARIOS: readonly Scenario[] = [
  ...product(['stored', 'a lease left'], [['queue'], ['hand']], [{ slows: 6 }]),
  ...product(STARTS, [['queue', 'hand']], TOGETHER),
  ...product(SOME_STARTS, [['queue', 'rotate']], TOGETHER),
  ...product(SOME_STARTS, [['queue', 'hand']], [{ faults: 1, slows: 1, pauses: 1 }]),
  ...product(
    ['stored'],
    [
      ['queue', 'retry'],
      ['hand', 'rotate'],
    ],
    TOGETHER,
  ),
  ...product(SOME_STARTS, TRIPLES, ONE_OF),
  ...product(
    ['first use', ...SOME_STARTS],
    [
      ['queue', 'hand'],
      ['hand', 'rotate'],
    ],
    [{ faults: 1, pauses: 1 }],
    true,
  ),
];
