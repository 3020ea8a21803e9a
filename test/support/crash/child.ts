/**
 * The process that is killed: it runs the real handlers, as Lambda would, against the services of its parent. Everything is loaded before it
 * is asked for anything, so that what a test measures and kills is the run and not the start.
 */
import { randomUUID } from 'node:crypto';
import type { Context } from 'aws-lambda';
import { create as createRefresh } from '../../../functions/refresh.ts';
import { create as createRotate } from '../../../functions/rotate.ts';
import { systemClock } from '../../../functions/runtime/clock.ts';
import type { Answer, Request } from './process.ts';

const TIMEOUTS = { refresh: 45_000, rotate: 60_000 };

// Jitter would make each run another one: a call that is to be met again must come again.
Math.random = () => 0.5;

let now = 0;
/** The parent's clock. Who sleeps by it turns it, here and there. */
const clock = {
  now: () => now,
  sleep: async (milliseconds: number) => {
    now += milliseconds;
    tell({ kind: 'slept', milliseconds });
  },
  timer: systemClock.timer,
};

function tell(answer: Answer): void {
  process.send?.(answer);
}

async function run({ functionName, event, at, env, times = 1 }: Request): Promise<void> {
  now = at;
  Object.assign(process.env, env);
  try {
    const results = await Promise.all(Array.from({ length: times }, () => invoke(functionName, event)));
    tell({ kind: 'returned', results: JSON.parse(JSON.stringify(results)) });
  } catch (error) {
    tell({ kind: 'threw', name: error instanceof Error ? error.name : 'unknown' });
  }
}

async function invoke(functionName: Request['functionName'], event: unknown): Promise<unknown> {
  const handler = functionName === 'refresh' ? createRefresh(clock) : createRotate(clock);
  const end = performance.now() + TIMEOUTS[functionName];
  const context = {
    awsRequestId: randomUUID(),
    functionName,
    getRemainingTimeInMillis: () => Math.max(0, Math.round(end - performance.now())),
  };
  // The rest of the context is never looked at.
  return (await handler(event, context as Context)) ?? null;
}

process.on('message', (request: Request) => void run(request));
// A test that is gone needs no child.
process.on('disconnect', () => process.exit());
tell({ kind: 'ready' });
