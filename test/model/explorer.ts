import { type Choice, choicesIn } from './choices.ts';
import { settled } from './quiet.ts';
import { type State, stateKey } from './state.ts';
import { after } from './steps.ts';
import { Visited } from './visited.ts';

/** An order of choices that breaks a promise. */
export interface Broken {
  readonly violation: string;
  readonly choices: readonly Choice[];
}

export interface Explored {
  /** Orders walked to where they end, or to a state that was visited before. */
  readonly orders: number;
  readonly states: number;
  readonly transitions: number;
  /** Ends that were judged. */
  readonly ends: number;
  readonly seconds: number;
  readonly broken: Broken | undefined;
  /** Whether time was up before all was explored. */
  readonly isCut: boolean;
}

interface Frame {
  readonly state: State;
  readonly choices: readonly Choice[];
  next: number;
}

/**
 * All orders within the bounds, depth first. The code, the services and the search are deterministic, so an order is its choices alone. A state
 * is not visited again with no more left of the bounds than before.
 */
export async function explore(start: State, mostSeconds = Number.POSITIVE_INFINITY): Promise<Explored> {
  const began = performance.now();
  const visited = new Visited();
  const path: Frame[] = [{ state: start, choices: choicesIn(start), next: 0 }];
  let [orders, transitions, ends] = [0, 0, 0];
  const seconds = () => (performance.now() - began) / 1000;
  const result = (broken: Broken | undefined, isCut = false): Explored => ({
    orders,
    states: visited.count,
    transitions,
    ends,
    seconds: seconds(),
    broken,
    isCut,
  });
  visited.add(stateKey(start), start.left);
  for (let frame = path.at(-1); frame !== undefined; frame = path.at(-1)) {
    const choice = frame.choices[frame.next];
    if (choice === undefined) {
      path.pop();
      continue;
    }
    frame.next += 1;
    transitions += 1;
    if ((transitions & 0xfff) === 0 && seconds() > mostSeconds) return result(undefined, true);
    const made = after(frame.state, choice);
    const state = made instanceof Promise ? await made : made;
    const isEnd = choice.act === 'quiet';
    const violation = state.violation ?? (isEnd ? await settled(state) : undefined);
    if (violation !== undefined) {
      const choices = path.map((one) => one.choices[one.next - 1]).filter((one) => one !== undefined);
      return result({ violation, choices });
    }
    if (isEnd) ends += 1;
    else if (visited.add(stateKey(state), state.left)) {
      path.push({ state, choices: choicesIn(state), next: 0 });
      continue;
    }
    orders += 1;
  }
  return result(undefined);
}
