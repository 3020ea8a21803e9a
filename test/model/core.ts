import { pathToFileURL } from 'node:url';
import * as errors from '../../functions/core/errors.ts';
import * as redacted from '../../functions/core/redacted.ts';
import * as refreshing from '../../functions/core/refresh.ts';
import * as rotating from '../../functions/core/rotate-secret.ts';
import * as schedule from '../../functions/core/schedule.ts';
import * as rotationContext from '../../functions/core/token-rotation/rotation-context.ts';

/** The code under exploration. It is handed in, so that a copy with a fault in it can stand where the real one stands. */
export interface Core {
  readonly refresh: typeof refreshing.refresh;
  readonly rotateSecret: typeof rotating.rotateSecret;
  readonly dueSince: typeof schedule.dueSince;
  readonly slotOf: typeof schedule.slotOf;
  /** Classes are told apart by identity, so a copy brings its own. */
  readonly errors: typeof errors;
  readonly Redacted: typeof redacted.Redacted;
  readonly LATENESS: number;
}

/** The code of this repository, as it is. */
export const unchanged: Core = {
  refresh: refreshing.refresh,
  rotateSecret: rotating.rotateSecret,
  dueSince: schedule.dueSince,
  slotOf: schedule.slotOf,
  errors,
  Redacted: redacted.Redacted,
  LATENESS: rotationContext.LATENESS_MS,
};

/** A copy of functions/core in another folder. */
export async function loadCore(folder: string): Promise<Core> {
  const load = (path: string) => import(pathToFileURL(`${folder}/${path}`).href);
  const copiedRefresh: typeof refreshing = await load('refresh.ts');
  const copiedRotate: typeof rotating = await load('rotate-secret.ts');
  const copiedSchedule: typeof schedule = await load('schedule.ts');
  const copiedErrors: typeof errors = await load('errors.ts');
  const copiedRedacted: typeof redacted = await load('redacted.ts');
  return {
    refresh: copiedRefresh.refresh,
    rotateSecret: copiedRotate.rotateSecret,
    dueSince: copiedSchedule.dueSince,
    slotOf: copiedSchedule.slotOf,
    errors: copiedErrors,
    Redacted: copiedRedacted.Redacted,
    // How late a request may arrive is physics, not code: a copy does not change it.
    LATENESS: rotationContext.LATENESS_MS,
  };
}
