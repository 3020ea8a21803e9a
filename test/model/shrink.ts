import { type Choice, COST, choicesIn } from './choices.ts';
import { type Listener, settled } from './quiet.ts';
import type { State } from './state.ts';
import { after } from './steps.ts';

/** What came of an order: all that was chosen, also where the order left it open, and the promise that broke. */
export interface Replayed {
  readonly choices: readonly Choice[];
  readonly violation: string | undefined;
}

/** Walks an order: what is not possible is left out, and where it ends all goes on without faults until all is quiet. */
export async function replay(start: State, order: readonly Choice[], listen?: Listener): Promise<Replayed> {
  const choices: Choice[] = [];
  let state = start;
  const rest = [...order];
  for (;;) {
    const possible = choicesIn(state);
    const wanted = rest.shift();
    const choice = wanted === undefined ? possible[0] : possible.find((one) => isSame(one, wanted));
    if (choice === undefined) continue;
    const next = await after(state, choice);
    listen?.(state, choice, next);
    choices.push(choice);
    state = next;
    if (state.violation !== undefined) return { choices, violation: state.violation };
    if (choice.act === 'quiet') return { choices, violation: await settled(state, listen) };
  }
}

function isSame(one: Choice, other: Choice): boolean {
  return one.act === other.act && one.run === other.run && one.op === other.op;
}

/** The same broken promise with as little as can be: fewer faults, then fewer changes from run to run, then fewer choices. */
export async function shrunk(start: State, order: readonly Choice[]): Promise<readonly Choice[]> {
  const first = await replay(start, order);
  const wanted = kindOf(first.violation);
  let best = first.choices;
  const attempt = async (candidate: readonly Choice[]) => {
    const { choices, violation } = await replay(start, candidate);
    if (violation === undefined || kindOf(violation) !== wanted || !isLess(choices, best)) return false;
    best = choices;
    return true;
  };
  for (let again = true; again; ) {
    again = false;
    for (let size = Math.ceil(best.length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let at = 0; at < best.length; at++)
        if (await attempt([...best.slice(0, at), ...best.slice(at + size)])) again = true;
    }
    // A fault less, and a call that is made earlier or later.
    for (let at = 0; at < best.length; at++) {
      const choice = best[at];
      if (choice === undefined) continue;
      if (choice.act !== 'go' && (await attempt(best.with(at, { ...choice, act: 'go' })))) again = true;
      for (let to = at + 1; to < best.length; to++)
        if (best[to]?.run === choice.run && (await attempt(moved(best, to, at + 1)))) again = true;
    }
  }
  return best;
}

function moved(order: readonly Choice[], from: number, to: number): Choice[] {
  const rest = [...order];
  rest.splice(to, 0, ...rest.splice(from, 1));
  return rest;
}

/** Names and ids apart. */
function kindOf(violation: string | undefined): string {
  return (violation ?? '').split('\n')[0]?.replace(/\(.*\)|[ra]\d+\.\d+/g, '') ?? '';
}

function isLess(one: readonly Choice[], other: readonly Choice[]): boolean {
  const [a, b] = [weigh(one), weigh(other)];
  const at = a.findIndex((weight, index) => weight !== b[index]);
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0);
}

function weigh(order: readonly Choice[]): number[] {
  const faults = order.reduce((sum, { act }) => sum + (COST[act]?.length ?? 0), 0);
  const switches = order.filter(({ run }, at) => at > 0 && run !== order[at - 1]?.run).length;
  return [faults, switches, order.length];
}
