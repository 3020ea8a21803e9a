import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { seedOf, type Target } from './target.ts';
import { TARGETS } from './targets.ts';
import type { Answer, Piece } from './worker.ts';

// npm run fuzz -- [--seed N] [--only NAME] [--scale FACTOR]
const { values } = parseArgs({
  options: { seed: { type: 'string' }, only: { type: 'string' }, scale: { type: 'string', default: '1' } },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const scale = Number(values.scale);
const targets = TARGETS.filter(({ name }) => values.only === undefined || name === values.only);
/** Milliseconds after which a piece is taken to hang, and its process ended. */
const HANGS_MS = 600_000;

if (targets.length === 0 || !Number.isSafeInteger(seed) || !(scale > 0)) {
  say(
    `There is nothing to do. --only takes one of: ${TARGETS.map(({ name }) => name).join(', ')}. --seed takes a whole number.`,
  );
  process.exit(2);
}

interface Score {
  inputs: number;
  slowestMs: number;
  readonly outcomes: Record<string, number>;
  findings: number;
}
const scores = new Map(
  targets.map(({ name }): [string, Score] => [name, { inputs: 0, slowestMs: 0, outcomes: {}, findings: 0 }]),
);

say(`seed ${seed}: npm run fuzz -- --seed ${seed}`);
const began = performance.now();
const pieces = targets.flatMap(piecesOf).values();
await Promise.all([work(), work()]);

const all = [...scores.values()];
for (const [name, { inputs, slowestMs, outcomes, findings }] of scores) {
  const codes = Object.entries(outcomes)
    .map(([code, count]) => `${code} ${count}`)
    .sort();
  say(
    `${findings === 0 ? 'held  ' : 'FOUND '} ${name.padEnd(16)} ${String(inputs).padStart(7)} inputs, slowest ${Math.round(slowestMs)} ms; ${codes.join(', ')}`,
  );
}
const sum = (of: (score: Score) => number) => all.reduce((total, score) => total + of(score), 0);
say(
  `\n${sum(({ inputs }) => inputs)} inputs in ${((performance.now() - began) / 60_000).toFixed(1)} min, ${sum(({ findings }) => findings)} findings, seed ${seed}`,
);
process.exitCode = sum(({ findings }) => findings) === 0 ? 0 : 1;

function piecesOf({ name, runs, chunk }: Target): Piece[] {
  const wanted = Math.max(1, Math.round(runs * scale));
  return Array.from({ length: Math.ceil(wanted / chunk) }, (_, n) => ({
    name,
    seed: seedOf(seed, name, n),
    runs: Math.min(chunk, wanted - n * chunk),
  }));
}

/** One process, which does one piece after the other. A new one takes over where it died or hangs. */
async function work(): Promise<void> {
  let child = start();
  for (const piece of pieces) {
    const score = scores.get(piece.name);
    if (score === undefined) continue;
    const answer = await ask(child, piece);
    if ('broken' in answer) {
      score.findings += 1;
      say(`FOUND  ${piece.name}, seed ${piece.seed}: ${answer.broken}`);
      child.kill('SIGKILL');
      child = start();
      continue;
    }
    score.inputs += answer.runs;
    score.slowestMs = Math.max(score.slowestMs, answer.slowestMs);
    for (const [code, count] of Object.entries(answer.outcomes))
      score.outcomes[code] = (score.outcomes[code] ?? 0) + count;
    if (answer.finding === undefined) continue;
    score.findings += 1;
    say(
      `FOUND  ${piece.name}, repeat it with: npm run fuzz -- --seed ${seed} --only ${piece.name}\n  ${answer.finding}`,
    );
  }
  child.kill();
}

function start() {
  return fork(fileURLToPath(new URL('worker.ts', import.meta.url)), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
}

async function ask(child: ReturnType<typeof start>, piece: Piece): Promise<Answer> {
  const over = new AbortController();
  const { signal } = over;
  const hangs = setTimeout(() => over.abort(), HANGS_MS);
  child.send(piece);
  try {
    const first = await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(([code]) => [{ broken: `The process ended (${code}).` }]),
    ]);
    return first[0];
  } catch {
    return { broken: `No end after ${HANGS_MS / 1000} s.` };
  } finally {
    clearTimeout(hangs);
    over.abort();
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
