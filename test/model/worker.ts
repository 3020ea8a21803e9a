import { parentPort } from 'node:worker_threads';
import { loadCore, unchanged } from './core.ts';
import { type Explored, explore } from './explorer.ts';
import { type Scenario, startOf } from './scenarios.ts';
import { shrunk } from './shrink.ts';
import { story } from './story.ts';

/** What a worker is asked. */
export interface Task {
  readonly scenario: Scenario;
  /** A copy of the code with a fault in it; the code itself unless given. */
  readonly folder?: string;
  readonly mostSeconds: number;
}

export interface Finding extends Explored {
  /** How often the real code was executed from its start. */
  readonly executions: number;
  /** The broken promise, told as shortly as it can be. */
  readonly story: string | undefined;
}

// Errors of the code under exploration are answers here: nobody reads where they were made.
Error.stackTraceLimit = 0;

parentPort?.on('message', async ({ scenario, folder, mostSeconds }: Task) => {
  const core = folder === undefined ? unchanged : await loadCore(folder);
  const start = await startOf(scenario, core);
  const explored = await explore(start, mostSeconds);
  const { broken } = explored;
  const told = broken === undefined ? undefined : await story(start, await shrunk(start, broken.choices));
  const executions = start.runs.reduce((sum, { histories }) => sum + histories.executions, 0);
  const finding: Finding = { ...explored, executions, story: told };
  parentPort?.postMessage(finding);
});
