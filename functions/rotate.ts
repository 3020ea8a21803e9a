import { rotate } from './core/rotate.ts';
import { lambda } from './runtime/lambda.ts';
import { parseRotationEvent } from './runtime/rotation-event.ts';

/** One step of the rotation of a token secret. */
export const create = lambda(async (event, { rules, settings, ports, run, log }) => {
  const { step, connection, versionId } = parseRotationEvent(event, rules.tokenPrefix);
  log.appendKeys({ connection });
  await rotate(step, connection, versionId, { ...rules, ...settings }, ports, run);
  log.info(`${connection}: ${step} done`, { connection, step });
});

export const handler = create();
