import { cp, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadCore } from './core.ts';
import { MOST_VERSIONS, versionsOf } from './day.ts';
import { MUTANTS, type Mutant } from './mutants.ts';
import { type Scenario, titleOf } from './scenarios.ts';
import type { Finding } from './worker.ts';
import { inWorkers } from './workers.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

interface Trial {
  readonly mutant: Mutant | undefined;
  readonly scenario: Scenario;
  readonly folder: string;
}

/** Puts each fault of mutants.ts into a copy of the code, one at a time, and sees it found. @returns whether all were */
export async function prove(core: string, mostSeconds: number, words: readonly string[], say: (line: string) => void) {
  const home = await mkdtemp(join(tmpdir(), 'token-model-'));
  const mutants = MUTANTS.filter(({ name }) => words.every((word) => name.includes(word)));
  let [killed, lived, unclear] = [0, 0, 0];
  try {
    // Bare imports of the copies are looked up here.
    await symlink(await realpath(join(ROOT, 'node_modules')), join(home, 'node_modules'));
    const folders = new Map<Mutant, string>();
    for (const [index, mutant] of mutants.entries()) folders.set(mutant, await copied(core, home, index, mutant));

    // What does not hold without a fault says nothing about one.
    const scenarios = new Map(mutants.flatMap((mutant) => mutant.scenarios).map((one) => [titleOf(one), one]));
    const broken = new Set<string>();
    await inWorkers(
      [...scenarios.values()],
      (scenario) => ({ scenario, folder: core, mostSeconds }),
      (scenario, { story }) => {
        if (story !== undefined) broken.add(titleOf(scenario));
        return true;
      },
    );

    const found = new Map<Mutant, Pick<Finding, 'story'>>();
    for (const mutant of mutants) {
      if (mutant.day === undefined) continue;
      const versions = await versionsOf(mutant.day, await loadCore(folders.get(mutant) ?? core));
      if (versions <= MOST_VERSIONS) continue;
      found.set(mutant, { story: undefined });
      say(`\nKILLED ${mutant.name}\n       by a day on which nothing succeeds: ${versions} versions`);
    }
    const trials = mutants.flatMap((mutant) =>
      mutant.scenarios
        .filter((scenario) => !broken.has(titleOf(scenario)))
        .map((scenario): Trial => ({ mutant, scenario, folder: folders.get(mutant) ?? core })),
    );
    await inWorkers(
      trials,
      ({ mutant, scenario, folder }) =>
        mutant !== undefined && found.has(mutant) ? undefined : { scenario, folder, mostSeconds },
      ({ mutant, scenario }, finding) => {
        if (mutant === undefined || finding.story === undefined || found.has(mutant)) return true;
        found.set(mutant, finding);
        say(
          `\nKILLED ${mutant.name}\n       by ${titleOf(scenario)}, after ${finding.states} states\n\n${finding.story}`,
        );
        return true;
      },
    );

    say('');
    for (const mutant of mutants) {
      const isUnclear =
        mutant.scenarios.length > 0 && mutant.scenarios.every((scenario) => broken.has(titleOf(scenario)));
      if (found.has(mutant)) killed += 1;
      else if (isUnclear) unclear += 1;
      else if (mutant.harmless === undefined) lived += 1;
      const verdict = found.has(mutant)
        ? 'killed  '
        : isUnclear
          ? 'unclear '
          : mutant.harmless === undefined
            ? 'LIVES   '
            : 'harmless';
      say(
        `${verdict} ${mutant.name}${found.has(mutant) || mutant.harmless === undefined ? '' : `: ${mutant.harmless}`}`,
      );
    }
    say(
      `\n${mutants.length} faults: ${killed} found, ${lived} not found, ${unclear} in scenarios that break without them`,
    );
  } finally {
    await rm(home, { recursive: true });
  }
  return lived + unclear === 0;
}

async function copied(core: string, home: string, index: number, { name, edits }: Mutant): Promise<string> {
  const folder = join(home, `core-${index}`);
  await cp(core, folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  for (const { file, text, instead } of edits) {
    const path = join(folder, file);
    const source = await readFile(path, 'utf8');
    if (source.split(text).length !== 2) throw new Error(`"${text}" is not found exactly once in ${file} (${name}).`);
    await writeFile(
      path,
      source.replace(text, () => instead),
    );
  }
  return folder;
}
