import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Call, Fault } from '../../../infra/local/wire/traffic.ts';
import { type CodeWorld, codeWorld, faultsOf, INTERVAL, isExchange, NAME, reauthorise, TICK } from '../code-world.ts';
import { packaged, unpack } from '../packaged.ts';
import type { Report } from '../world.ts';
import { HandlerProcess, type ProcessPool } from './process.ts';

/** What happens to one call of a run: it is answered just in time, just too late, or only when the next run has ended. */
export type Delay = 'just under' | 'just over' | 'held';
type Phase = 'before' | 'after';
type Verdict = 'ok' | 'window' | 'LOST' | 'not reached';

/** Milliseconds around the time-out of a request, which is ten seconds. */
const UNDER = 9_000;
const OVER = 11_000;
/** Milliseconds after which Lambda ends the function. */
const TIMEOUT = 45_000;
/** Seconds after which a lease of `refresh` that was not released has run out. */
const RUN_OUT = 110;

export interface SlowCell {
  readonly label: string;
  readonly phase: Phase;
  readonly delay: Delay;
  readonly verdict: Verdict;
  /** What the delayed run and the one right after it answered. */
  readonly outcomes: readonly string[];
  readonly faults: readonly string[];
}

/** The packaged `refresh`, in a process that runs it as Lambda would: by the real clock, and no longer than its timeout. */
export async function packagedRefresh(): Promise<() => HandlerProcess> {
  const zip = (await packaged()).zips.get('refresh');
  if (zip === undefined) throw new Error('There is no zip of refresh.');
  const program = join(unpack(zip), 'child.cjs');
  writeFileSync(
    program,
    `const { handler } = require('./functions/refresh.js');
process.on('message', async ({ event, env }) => {
  Object.assign(process.env, env);
  const end = performance.now() + ${TIMEOUT};
  const context = { awsRequestId: crypto.randomUUID(), functionName: 'refresh', getRemainingTimeInMillis: () => Math.max(0, Math.round(end - performance.now())) };
  try {
    process.send({ kind: 'returned', results: [await handler(event, context)] });
  } catch (error) {
    process.send({ kind: 'threw', name: error.name });
  }
});
process.on('disconnect', () => process.exit());
process.send({ kind: 'ready' });
`,
  );
  return () => new HandlerProcess(program);
}

/** Names each call of a run by how often it came before. */
function labelled(): (call: Call, phase: Phase) => string {
  const seen = new Map<string, number>();
  const labels = new WeakMap<Call, string>();
  return (call, phase) => {
    const name = `${call.service} ${call.operation}`;
    if (phase === 'before') {
      seen.set(name, (seen.get(name) ?? 0) + 1);
      labels.set(call, `${name} #${seen.get(name)}`);
    }
    return labels.get(call) ?? '';
  };
}

/** A rotating connection that was refreshed and is due again. All runs are processes, so that many worlds can live side by side. */
async function dueWorld(pool: ProcessPool) {
  const world = await codeWorld('rotating');
  // The packaged function lives by the real clock.
  world.clock.turn(Math.round((Date.now() - world.clock.now()) / 1000) - INTERVAL - TICK);
  const byHand = async (child = pool.take()): Promise<string> => {
    const request = { functionName: 'refresh', event: { connections: [NAME] }, at: world.clock.now(), env: world.env };
    try {
      const [answer] = await child.run({ ...request, functionName: 'refresh' }, world.clock);
      const report = (answer as Report).connections[0];
      return report?.error?.code ?? report?.outcome ?? 'no report';
    } catch (error) {
      return error instanceof Error ? error.message : 'unknown';
    } finally {
      await child.kill();
    }
  };
  await byHand();
  world.clock.turn(INTERVAL + TICK);
  return { world, byHand };
}

/** The calls of a run that nothing disturbs, in their order. */
export async function callsOf(start: () => HandlerProcess, pool: ProcessPool): Promise<string[]> {
  const { world, byHand } = await dueWorld(pool);
  const label = labelled();
  const found: string[] = [];
  world.fault = (call, phase) => {
    const name = label(call, phase);
    if (phase === 'before') found.push(name);
    return undefined;
  };
  const outcome = await byHand(start());
  if (outcome !== 'refreshed') throw new Error(`An undisturbed run ended with ${outcome}.`);
  // AppFlow tries the access token itself: that call is not ours.
  return found.filter((name) => !name.includes('userinfo'));
}

/** Delays one call of one run, lets another run come right behind it, and looks what is left when all is quiet. */
export async function slowCell(
  moment: { readonly label: string; readonly phase: Phase; readonly delay: Delay },
  start: () => HandlerProcess,
  pool: ProcessPool,
): Promise<SlowCell> {
  const { world, byHand } = await dueWorld(pool);
  const label = labelled();
  const letGo = Promise.withResolvers<void>();
  let isFirst = true;
  let isMet = false;
  let isExchangeLost = false;
  world.fault = async (call, phase): Promise<Fault | undefined> => {
    if (!isFirst || isMet || label(call, phase) !== moment.label || phase !== moment.phase) return undefined;
    isMet = true;
    isExchangeLost = isExchange(call) && moment.delay !== 'just under';
    if (moment.delay === 'held') await letGo.promise;
    else await wait(moment.delay === 'just under' ? UNDER : OVER);
    return undefined;
  };
  const child = start();
  const ended = new AbortController();
  const lambda = wait(TIMEOUT, undefined, { signal: ended.signal })
    .then(() => child.kill())
    .catch(() => undefined);
  const outcomes = [await byHand(child)];
  ended.abort();
  isFirst = false;
  await lambda;
  // Right behind it, while its request may still arrive.
  outcomes.push(await byHand());
  letGo.resolve();
  // What was delayed has arrived by now, or does while the lease runs out.
  await wait(OVER - UNDER);
  world.clock.turn(RUN_OUT);
  outcomes.push(await byHand());
  world.fault = undefined;
  const faults = faultsOf(world);
  if (world.salesforce.spentTokenUses > 0) faults.push('a spent token was sent');
  // Whatever was lost, a person who authorises the app again has it all back.
  if (faults.length > 0) faults.push(...(await faultsAfterAuthorising(world, byHand)));
  await world.close();
  const isLost = isExchangeLost ? faults.some((fault) => fault.startsWith('even')) : faults.length > 0;
  const verdict = !isMet ? 'not reached' : isLost ? 'LOST' : isExchangeLost ? 'window' : 'ok';
  return { ...moment, verdict, outcomes, faults };
}

async function faultsAfterAuthorising(world: CodeWorld, byHand: () => Promise<string>): Promise<string[]> {
  await reauthorise(world);
  world.clock.turn(RUN_OUT);
  await byHand();
  return faultsOf(world).map((fault) => `even after a new authorisation ${fault}`);
}

/** One line a call, one column a delay. */
export function printed(cells: readonly SlowCell[]): string {
  const labels = [...new Set(cells.map(({ label }) => label))];
  const width = Math.max(...labels.map(({ length }) => length));
  const columns = [...new Set(cells.map(({ delay, phase }) => `${delay}, ${phase}`))];
  const rows = labels.map((label) => {
    const verdicts = columns.map((column) =>
      cells.find((one) => one.label === label && `${one.delay}, ${one.phase}` === column),
    );
    return `  ${label.padEnd(width)}  ${verdicts.map((one) => (one?.verdict ?? '-').padEnd(20)).join('')}`;
  });
  const lost = cells.filter(({ verdict }) => verdict === 'LOST' || verdict === 'not reached');
  return [
    `a steady rotating refresh, slow at ${cells.length} moments of ${labels.length} calls`,
    `  ${'delayed'.padEnd(width)}  ${columns.map((column) => column.padEnd(20)).join('')}`,
    ...rows,
    ...lost.map(
      ({ label, phase, delay, outcomes, faults }) =>
        `  ! ${delay}, ${phase} ${label}: ${outcomes.join(', ')}: ${faults.join('; ')}`,
    ),
    '',
  ].join('\n');
}
