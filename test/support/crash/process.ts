import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { TurnableClock } from '../../../infra/local/clock.ts';

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/crash', import.meta.url));

export interface Request {
  readonly functionName: 'refresh' | 'rotate';
  readonly event: unknown;
  /** Epoch milliseconds: the clock when the run starts. */
  readonly at: number;
  readonly env: Readonly<Record<string, string>>;
  /** Invocations at once; one unless given. */
  readonly times?: number;
}

export type Answer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'slept'; readonly milliseconds: number }
  | { readonly kind: 'returned'; readonly results: readonly unknown[] }
  | { readonly kind: 'threw'; readonly name: string };

/** A process that can run handlers and be killed at it. */
export class HandlerProcess {
  readonly #child: ChildProcess;
  readonly #ready: Promise<unknown>;
  readonly #exited: Promise<unknown>;

  constructor(program: string) {
    const env = { ...process.env, NODE_COMPILE_CACHE: join(CACHE, 'compiled') };
    const child = fork(program, { execArgv: [], env });
    this.#child = child;
    this.#ready = once(child, 'message');
    this.#exited = once(child, 'exit');
    // Whoever waits for either is told; a process that is never used fails nobody.
    this.#ready.catch(() => undefined);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** What the handler answered each time. Rejects with its error, or where the process died. */
  async run(request: Request, clock: TurnableClock): Promise<readonly unknown[]> {
    await this.#ready;
    const { promise, resolve, reject } = Promise.withResolvers<readonly unknown[]>();
    const hear = (answer: Answer) => {
      if (answer.kind === 'slept') clock.turn(answer.milliseconds / 1000);
      if (answer.kind === 'returned') resolve(answer.results);
      if (answer.kind === 'threw') reject(Object.assign(new Error(answer.name), { name: answer.name }));
    };
    this.#child.on('message', hear);
    this.#exited.then(() => reject(new Error('The process of the function died.')));
    this.#child.send(request);
    return promise.finally(() => this.#child.off('message', hear));
  }

  /** SIGKILL, by its id; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null)
      process.kill(this.pid, 'SIGKILL');
    await this.#exited;
  }
}

/** Keeps processes ready, since starting one takes longer than what it is for. */
export class ProcessPool {
  readonly #program: string;
  readonly #waiting: HandlerProcess[] = [];
  readonly #taken = new Set<HandlerProcess>();

  private constructor(program: string) {
    this.#program = program;
  }

  /** @param size how many are kept ready */
  static async start(size: number): Promise<ProcessPool> {
    const pool = new ProcessPool(await bundled());
    for (let n = 0; n < size; n++) pool.#waiting.push(new HandlerProcess(pool.#program));
    return pool;
  }

  take(): HandlerProcess {
    const taken = this.#waiting.shift() ?? new HandlerProcess(this.#program);
    this.#waiting.push(new HandlerProcess(this.#program));
    this.#taken.add(taken);
    return taken;
  }

  async end(): Promise<void> {
    await Promise.all([...this.#waiting, ...this.#taken].map((one) => one.kill()));
  }
}

/** The handlers in one file, as they are deployed: it starts three times as fast as their sources. */
async function bundled(): Promise<string> {
  const outfile = join(CACHE, `child-${process.pid}.cjs`);
  const program = join(CACHE, 'child.cjs');
  await build({
    entryPoints: [fileURLToPath(new URL('child.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    mainFields: ['module', 'main'],
    outfile,
  });
  // In one step, for the sake of another test process that starts from the same file.
  await rename(outfile, program);
  return program;
}
