import { rotateSecret } from './core/rotate-secret.ts';
import { lambda } from './runtime/lambda.ts';
import { parseRotationEvent } from './runtime/rotation-event.ts';

/** One step of the rotation of a token secret. */
export const create = lambda(async (event, world) => {
  const request = parseRotationEvent(event, world.rules.tokenPrefix);
  const { step, connection } = request;
  world.log.appendKeys({ connection });
  await rotateSecret(request, world);
  world.log.info(`${connection}: ${step} done`, { connection, step });
});

export const handler = create();
