import type { Context } from '../../functions/core/context.ts';
import type { Refreshed } from '../../functions/core/report.ts';
import type { Run } from '../../functions/core/run.ts';
import type { Core } from './core.ts';
import { NAME } from './ports.ts';

/** Time zero of every scenario. */
export const BASE = Date.parse('2026-11-24T09:00:00.000Z');
/** The interval of the connection, in seconds. */
export const INTERVAL = 3_600;

/** How long invocations may take: Lambda's timeout less what is kept back for the log. */
const SHORT = 43_500;
const LONG = 118_500;

/**
 * What a run does. `queue` has a message of the tick at time zero, and `retry` has the same one again; `late-tick` has one of the moment at
 * which it starts; `rotate` is createSecret, then setSecret, each an invocation of its own.
 */
export type Kind = 'queue' | 'retry' | 'late-tick' | 'hand' | 'rotate';

/** What an invocation is given, made anew for each. */
export type Invoke = (milliseconds: number) => Promise<Context & { readonly run: Run }>;

/** Runs the real use case of a kind to its end. @returns what became of it, in a word or two */
export async function perform(kind: Kind, invoke: Invoke, core: Core): Promise<string> {
  if (kind === 'rotate') {
    try {
      await core.rotateSecret({ step: 'createSecret', connection: NAME, versionId: 'rotate-1' }, await invoke(LONG));
      await core.rotateSecret({ step: 'setSecret', connection: NAME, versionId: 'rotate-1' }, await invoke(LONG));
      return 'done';
    } catch (error) {
      if (error instanceof core.errors.RefreshError) return `failed ${error.code}`;
      throw error;
    }
  }
  const context = await invoke(SHORT);
  const target = { connection: NAME, connectorProfileName: NAME, intervalSeconds: INTERVAL };
  const since = kind === 'late-tick' ? context.run.now() : BASE;
  const asked =
    kind === 'hand' ? target : { ...target, unlessUpdatedAfter: new Date(since), isRetry: kind === 'retry' };
  return outcomeOf(await core.refresh({ targets: [asked], dryRun: false }, context));
}

function outcomeOf({ served, bugs }: Refreshed): string {
  if (bugs[0] !== undefined) throw bugs[0].error;
  const report = served[0]?.report;
  return report?.outcome === 'failed' ? `failed ${report.error?.code}` : String(report?.outcome);
}
