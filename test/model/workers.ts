import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Finding, Task } from './worker.ts';

/** Gives each task to the next worker that is free; there is one a core. */
export async function inWorkers<T>(
  tasks: readonly T[],
  taskOf: (task: T) => Task | undefined,
  done: (task: T, finding: Finding) => boolean,
): Promise<void> {
  const rest = tasks.entries();
  let isOver = false;
  const one = async () => {
    for (const [, task] of rest) {
      if (isOver) return;
      const wanted = taskOf(task);
      // A worker a task: what one has learnt is of no use to the next, and its memory is given back.
      if (wanted !== undefined && !done(task, await ask(wanted))) isOver = true;
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, one));
}

function ask(task: Task): Promise<Finding> {
  const worker = new Worker(new URL('worker.ts', import.meta.url));
  return new Promise<Finding>((resolve, reject) => {
    worker.on('message', resolve);
    worker.on('error', reject);
    worker.postMessage(task);
  }).finally(() => worker.terminate());
}
