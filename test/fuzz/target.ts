import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { ERROR_CODES, RefreshError } from '../../functions/core/errors.ts';
import type { Secrets } from '../support/leaks.ts';

/** What the code under trial said to one input. */
export interface Said {
  /** What it threw, or reported as an error; anything but a RefreshError is a finding. */
  readonly thrown?: readonly unknown[];
  /** Everything else that it put out: reports, log lines, warnings. */
  readonly texts?: readonly string[];
}

/** One kind of input, ready to be fed. */
export interface Opened<I> {
  readonly inputs: fc.Arbitrary<I>;
  readonly secrets: Secrets;
  feed(input: I): Said | Promise<Said>;
  close?(): Promise<void>;
}

export interface Target {
  readonly name: string;
  /** Inputs of a full campaign, and in one piece of work. */
  readonly runs: number;
  readonly chunk: number;
  /** Feeds `runs` inputs that follow from the seed. */
  attack(seed: number, runs: number): Promise<Attacked>;
}

export interface Attacked {
  readonly runs: number;
  readonly slowestMs: number;
  /** How many inputs were refused, by code; what was taken counts as `taken`. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** What was found, with the smallest input that shows it. The inputs hold markers and keys of this run alone, and no secret. */
  readonly finding: string | undefined;
}

interface Description<I> {
  readonly name: string;
  readonly runs: number;
  readonly chunk?: number;
  /** Milliseconds that one input may take, on a machine that is busy. */
  readonly mostMs: number;
  open(): Promise<Opened<I>>;
}

/** Holds what is said to every input against the same promises. */
export function target<I>({ name, runs, chunk = 5_000, mostMs, open }: Description<I>): Target {
  return {
    name,
    runs,
    chunk,
    async attack(seed, many) {
      const opened = await open();
      const outcomes: Record<string, number> = {};
      let slowestMs = 0;
      const trial = async (input: I) => {
        const began = performance.now();
        const { thrown = [], texts = [] } = await opened.feed(input);
        const took = performance.now() - began;
        slowestMs = Math.max(slowestMs, took);
        if (took > mostMs) throw new Error(`took ${Math.round(took)} ms`);
        for (const error of thrown) check(error);
        const leaked = [...thrown.map(printed), ...texts]
          .map((text) => opened.secrets.in(text))
          .find((one) => one !== undefined);
        if (leaked !== undefined) throw new Error(`a piece of ${leaked} was put out`);
        const outcome = thrown[0] instanceof RefreshError ? thrown[0].code : 'taken';
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      };
      try {
        const details = await fc.check(fc.asyncProperty(opened.inputs, trial), { seed, numRuns: many });
        return { runs: details.numRuns, slowestMs, outcomes, finding: details.failed ? findingOf(details) : undefined };
      } finally {
        await opened.close?.();
      }
    },
  };
}

/** The seed of one piece of work: a target's pieces are the same whoever does them, in whatever order. */
export function seedOf(seed: number, name: string, piece: number): number {
  return createHash('sha256').update(`${seed} ${name} ${piece}`).digest().readInt32BE();
}

function check(error: unknown): void {
  if (!(error instanceof RefreshError)) {
    const what = error instanceof Error ? `${error.name}: ${error.message}\n${error.stack}` : String(error);
    throw new Error(`not a RefreshError: ${what}`);
  }
  const { code, message, hint } = error;
  if (!Object.hasOwn(ERROR_CODES, code)) throw new Error(`no code: ${code}`);
  if (message.length > 1_000 || hint.length > 500) throw new Error(`${message.length} and ${hint.length} characters`);
  if (/[\p{Cc}\u2028-\u202e\u2066-\u2069]/u.test(message + hint)) throw new Error('a control character was put out');
}

function printed(error: unknown): string {
  if (!(error instanceof RefreshError)) return '';
  return `${error.message}\n${error.hint}\n${error.stack?.slice(0, 300)}`;
}

function findingOf<I>({ counterexample, errorInstance, counterexamplePath, seed }: fc.RunDetails<[I]>): string {
  const error = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  return `${error.slice(0, 1_500)}\n  input: ${fc.stringify(counterexample).slice(0, 1_500)}\n  fast-check: seed ${seed}, path ${counterexamplePath}`;
}
