import { describe, expect, it } from 'vitest';
import { choicesIn } from './choices.ts';
import { unchanged } from './core.ts';
import { explore } from './explorer.ts';
import { settled } from './quiet.ts';
import { type Scenario, startOf, titleOf } from './scenarios.ts';
import { shrunk } from './shrink.ts';
import type { State } from './state.ts';
import { after } from './steps.ts';
import { story } from './story.ts';

const EVERYTHING = { crashes: 1, faults: 1, lates: 1, slows: 1, pauses: 1, clocks: 1 };

/** Every order of two runs, where one request may be late and one run may die. */
const WHOLE: readonly Scenario[] = [true, false].map((rotates) => ({
  start: 'stored',
  runs: ['queue', 'hand'],
  rotates,
  bounds: { crashes: 1, lates: 1 },
}));

/** Too many orders for a test that is run all the time: some are walked at random. */
const SAMPLED: readonly Scenario[] = [true, false].flatMap((rotates): Scenario[] => [
  { start: 'a lease left', runs: ['queue', 'hand', 'retry'], rotates, bounds: EVERYTHING },
  { start: 'escrow left', runs: ['queue', 'rotate'], rotates, bounds: EVERYTHING },
  { start: 'first use', runs: ['queue', 'hand', 'rotate'], rotates, bounds: EVERYTHING },
]);

const WALK_SECONDS = 1.5;

describe('the rotation protocol, in every order of its calls', () => {
  it.each(WHOLE.map((scenario) => [titleOf(scenario), scenario] as const))(
    'keeps its promises: %s',
    async (_, scenario) => {
      const start = await startOf(scenario, unchanged);
      const { broken, isCut } = await explore(start, 300);
      expect(broken === undefined ? '' : await story(start, await shrunk(start, broken.choices))).toBe('');
      expect(isCut).toBe(false);
    },
    300_000,
  );
});

describe('the rotation protocol, in orders at random', () => {
  const first = Number(process.env['MODEL_SEED'] ?? Date.now() % 1_000_000);
  process.stdout.write(`\nrandom orders from MODEL_SEED=${first} on\n`);
  it.each(SAMPLED.map((scenario) => [titleOf(scenario), scenario] as const))(
    'keeps its promises: %s',
    async (_, scenario) => {
      const start = await startOf(scenario, unchanged);
      const until = performance.now() + WALK_SECONDS * 1_000;
      for (let seed = first; performance.now() < until; seed++) {
        const { choices, violation } = await walk(start, random(seed));
        if (violation === undefined) continue;
        expect.fail(`MODEL_SEED=${seed}\n${await story(start, await shrunk(start, choices))}`);
      }
    },
  );
});

async function walk(start: State, next: () => number) {
  const choices = [];
  let state = start;
  for (;;) {
    const possible = choicesIn(state);
    // What goes well comes first, and is what happens mostly.
    const calm = possible.filter(({ act }) => act === 'go' || act === 'arrive' || act === 'quiet');
    const among = next() < 0.85 && calm.length > 0 ? calm : possible;
    const choice = among[Math.floor(next() * among.length)];
    if (choice === undefined) throw new Error('Nothing can happen.');
    choices.push(choice);
    state = await after(state, choice);
    if (state.violation !== undefined) return { choices, violation: state.violation };
    if (choice.act === 'quiet') return { choices, violation: await settled(state) };
  }
}

/** Mulberry32: numbers in [0, 1) that follow from a seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
