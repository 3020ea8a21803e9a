import type { Run } from '../../functions/core/run.ts';
import type { Call, Op, Request } from './calls.ts';
import type { Core } from './core.ts';
import { portsOver, RULES } from './ports.ts';
import { type Kind, perform } from './programs.ts';

/**
 * What a run has observed so far, and what it is waiting for: all that its next move can depend on, since the code is deterministic and its
 * clock, its random numbers and its neighbours are ours. Two orders after which a run has seen the same end in the same object.
 */
export interface History {
  readonly id: number;
  readonly requests: readonly Request[];
  /** How the run ended; `bug …` where it threw what is no error of ours. */
  readonly outcome: string | undefined;
  readonly warnings: readonly string[];
}

interface Node extends History {
  readonly parent: Node | undefined;
  readonly event: Event | undefined;
  readonly next: Map<string, Node>;
  /** The running code, until it has been led on from here. */
  live: Living | undefined;
}

/** What a run is told: the answer to one of its requests, and the time on its clock, which stands still until the next event. */
interface Event {
  readonly op: Op;
  readonly serial: number;
  readonly now: number;
  readonly answer: string;
}

let ids = 0;

/**
 * All histories of the runs of one kind, as a tree. The real code is executed only for a history that was never seen before; then it is led
 * there from its start. That is what makes millions of states of several runs cheap.
 */
export class Histories {
  readonly #kind: Kind;
  readonly #name: string;
  readonly #core: Core;
  #root: Node | undefined;
  /** How often the real code was executed from its start. */
  executions = 0;

  constructor(kind: Kind, name: string, core: Core) {
    this.#kind = kind;
    this.#name = name;
    this.#core = core;
  }

  async start(): Promise<History> {
    this.#root ??= node(await this.#begin(), undefined, undefined);
    return this.#root;
  }

  /** What follows, if it is known already. */
  known(history: History, op: Op, now: number, answer: string): History | undefined {
    return isNode(history) ? history.next.get(`${op} ${now} ${answer}`) : undefined;
  }

  async after(history: History, op: Op, now: number, answer: string): Promise<History> {
    if (!isNode(history)) throw new Error('That is no history of this tree.');
    const key = `${op} ${now} ${answer}`;
    const known = history.next.get(key);
    if (known !== undefined) return known;
    const living = history.live ?? (await this.#leadTo(history));
    history.live = undefined;
    const serial = history.requests.find(({ call }) => call.op === op)?.serial ?? 0;
    const event = { op, serial, now, answer };
    await living.tell(event);
    const found = node(living, history, event);
    history.next.set(key, found);
    return found;
  }

  async #leadTo(history: Node): Promise<Living> {
    const events: Event[] = [];
    for (let at = history; at.parent !== undefined; at = at.parent) if (at.event !== undefined) events.push(at.event);
    const living = await this.#begin();
    for (const event of events.reverse()) await living.tellAgain(event);
    await rest();
    return living;
  }

  async #begin(): Promise<Living> {
    this.executions += 1;
    const living = new Living(this.#kind, this.#name, this.#core);
    await rest();
    return living;
  }
}

function node(living: Living, parent: Node | undefined, event: Event | undefined): Node {
  const { requests, outcome, warnings } = living;
  const ended = outcome !== undefined;
  ids += 1;
  return { id: ids, requests, outcome, warnings, parent, event, next: new Map(), live: ended ? undefined : living };
}

function isNode(history: History): history is Node {
  return 'next' in history;
}

/** Microtasks run dry before the next immediate: whatever the code does without an answer it has done then. */
function rest(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const MOST_MICROTASKS = 10_000;
const NEVER_ABORTED = new AbortController().signal;

/** One execution of the real code. */
class Living {
  readonly #parked = new Map<Op, { request: Request; resolve: (answer: string) => void }>();
  readonly #name: string;
  readonly #warnings: string[] = [];
  #serial = 0;
  #invocations = 0;
  #deadline = 0;
  #now = 0;
  #outcome: string | undefined;

  constructor(kind: Kind, name: string, core: Core) {
    this.#name = name;
    // An exchange is given an earlier deadline, for its repetitions; Lambda and the lease go by that of the invocation.
    const ports = portsOver(
      (call, run) => this.#park(call, call.op === 'exchange' ? this.#deadline : run.deadline),
      core,
    );
    const invoke = async (milliseconds: number) => {
      await this.#park({ op: 'start', milliseconds }, 0);
      return { rules: RULES, ports, run: this.#run(milliseconds) };
    };
    perform(kind, invoke, core).then(
      (outcome) => {
        this.#outcome = outcome;
      },
      (error: unknown) => {
        this.#outcome = `bug ${error instanceof Error ? error.stack : String(error)}`;
      },
    );
  }

  get requests(): readonly Request[] {
    return [...this.#parked.values()].map(({ request }) => request);
  }

  get outcome(): string | undefined {
    return this.#outcome;
  }

  get warnings(): readonly string[] {
    return [...this.#warnings];
  }

  async tell(event: Event): Promise<void> {
    this.#answer(event);
    await rest();
  }

  /** The same in a history that was seen before: it is known what the run waits for next, so microtasks are awaited one by one. */
  async tellAgain(event: Event): Promise<void> {
    for (let n = 0; this.#parked.get(event.op)?.request.serial !== event.serial; n++) {
      if (n > MOST_MICROTASKS) throw new Error(`${this.#name} does not do again what it did before.`);
      await undefined;
    }
    // What still goes on behind the call that it waits for.
    for (let n = 0; n < 8; n++) await undefined;
    this.#answer(event);
  }

  #answer({ op, now, answer }: Event): void {
    const parked = this.#parked.get(op);
    if (parked === undefined) throw new Error(`${this.#name} does not wait for ${op}.`);
    this.#parked.delete(op);
    this.#now = now;
    parked.resolve(answer);
  }

  #park(call: Call, deadline: number): Promise<string> {
    if (this.#parked.has(call.op)) throw new Error(`${this.#name} has two calls of ${call.op} under way.`);
    this.#serial += 1;
    const request = { call, serial: this.#serial, deadline };
    return new Promise((resolve) => this.#parked.set(call.op, { request, resolve }));
  }

  #run(milliseconds: number): Run {
    this.#invocations += 1;
    const deadline = this.#now + milliseconds;
    this.#deadline = deadline;
    return {
      id: `${this.#name}.${this.#invocations}`,
      now: () => this.#now,
      sleep: async (ms) => {
        await this.#park({ op: 'sleep', milliseconds: ms }, deadline);
      },
      timer: (ms) => {
        const rung = this.#park({ op: 'timer', milliseconds: ms }, deadline).then(() => undefined);
        return { rung, cancel: () => void this.#parked.delete('timer') };
      },
      random: () => 0.5,
      deadline,
      signal: NEVER_ABORTED,
      warn: (_, message) => this.#warnings.push(message),
    };
  }
}
