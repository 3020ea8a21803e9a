import { fileURLToPath } from 'node:url';
import { loadCore, unchanged } from './core.ts';
import { DAYS, MOST_VERSIONS, versionsOf } from './day.ts';
import { prove } from './prove.ts';
import { SCENARIOS, titleOf } from './scenarios.ts';
import { inWorkers } from './workers.ts';

// npm run test:model -- [--prove] [words that the titles must hold]
const isProof = process.argv.includes('--prove');
const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
/** The most that a scenario may take, and the code to explore where it is not that of this repository. */
const mostSeconds = Number(process.env['MODEL_SECONDS'] ?? 600);
const folder = process.env['MODEL_CORE'];

const isWell = isProof
  ? await prove(folder ?? fileURLToPath(new URL('../../functions/core', import.meta.url)), mostSeconds, words, say)
  : await exploreAll();
process.exitCode = isWell ? 0 : 1;

async function exploreAll(): Promise<boolean> {
  const scenarios = SCENARIOS.filter((scenario) => words.every((word) => titleOf(scenario).includes(word)));
  const began = performance.now();
  const sum = { orders: 0, states: 0, transitions: 0 };
  let [broken, cut] = [0, 0];

  await inWorkers(
    scenarios,
    (scenario) => ({ scenario, mostSeconds, ...(folder === undefined ? {} : { folder }) }),
    (scenario, { orders, states, transitions, seconds, executions, isCut, story }) => {
      sum.orders += orders;
      sum.states += states;
      sum.transitions += transitions;
      if (story !== undefined) broken += 1;
      if (isCut) cut += 1;
      const counts = `${orders} orders, ${states} states, ${transitions} transitions, ${executions} executions, ${seconds.toFixed(1)} s`;
      say(`${story === undefined ? (isCut ? 'cut   ' : 'held  ') : 'BROKEN'} ${titleOf(scenario)}: ${counts}`);
      if (story !== undefined) say(`\n${story}\n`);
      return true;
    },
  );

  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  say(
    `\n${scenarios.length} scenarios: ${sum.orders} orders, ${sum.states} states, ${sum.transitions} transitions in ${minutes} min; ${broken} broken, ${cut} not explored to the end`,
  );
  const isQuietDay = words.length > 0 || (await days());
  return broken + cut === 0 && isQuietDay;
}

/** Days on which nothing succeeds: how many versions the retries make. */
async function days(): Promise<boolean> {
  const core = folder === undefined ? unchanged : await loadCore(folder);
  let isWell = true;
  for (const day of DAYS) {
    const versions = await versionsOf(day, core);
    const isFew = versions <= MOST_VERSIONS;
    isWell &&= isFew;
    say(
      `${isFew ? 'held  ' : 'BROKEN'} a day, ${day.rotates ? 'rotating' : 'steady'}, ${day.trouble}${day.heals ? ', a heal every five minutes' : ''}: ${versions} versions`,
    );
  }
  return isWell;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
