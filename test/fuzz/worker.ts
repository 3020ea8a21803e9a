import type { Attacked } from './target.ts';
import { TARGETS } from './targets.ts';

/** A piece of a campaign. */
export interface Piece {
  readonly name: string;
  readonly seed: number;
  readonly runs: number;
}

export type Answer = Attacked | { readonly broken: string };

process.on('message', async ({ name, seed, runs }: Piece) => {
  const attacked = TARGETS.find((one) => one.name === name)?.attack(seed, runs);
  const answer: Answer = (await attacked?.catch((error: unknown) => ({
    broken: error instanceof Error ? (error.stack ?? error.message) : String(error),
  }))) ?? { broken: 'There is no such target.' };
  process.send?.(answer);
});

// Whoever asked is gone.
process.on('disconnect', () => process.exit());
