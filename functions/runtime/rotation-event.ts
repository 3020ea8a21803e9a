import * as v from 'valibot';
import { isConnectionName } from '../core/connection/target.ts';
import { RefreshError } from '../core/errors.ts';
import type { RotationRequest } from '../core/rotate-secret.ts';
import { parseInput } from './input.ts';

const USAGE = 'rotate takes the events of a Secrets Manager rotation: {Step, SecretId, ClientRequestToken}.';

/** Some pages of Secrets Manager spell the steps one way, some the other. */
const Step = v.picklist(
  [
    'createSecret',
    'create_secret',
    'setSecret',
    'set_secret',
    'testSecret',
    'test_secret',
    'finishSecret',
    'finish_secret',
  ],
  'is not one of the four steps',
);

/** Secrets Manager sends keys beside these, such as RotationToken, so others are not refused here. */
const RotationEvent = v.object({
  Step,
  SecretId: v.pipe(v.string('must be a string'), v.minLength(1, 'is empty')),
  ClientRequestToken: v.pipe(
    v.string('must be a string'),
    v.regex(/^[\w-]{32,64}$/, 'is not a version id (32 to 64 characters)'),
  ),
});

/** @throws RefreshError `INPUT_INVALID`, also where the secret is not one of ours */
export function parseRotationEvent(event: unknown, tokenPrefix: string): RotationRequest {
  const { Step: spelled, SecretId, ClientRequestToken } = parseInput(RotationEvent, event, USAGE);
  const arn = /^arn:[\w-]+:secretsmanager:[\w-]*:\d*:secret:(.+)-[A-Za-z0-9]{6}$/;
  const secretName = arn.exec(SecretId)?.[1] ?? SecretId;
  if (!secretName.startsWith(tokenPrefix)) {
    throw new RefreshError(
      'INPUT_INVALID',
      `SecretId is not of a secret named under ${tokenPrefix}.`,
      `Set this function as the rotation function of token secrets alone. ${USAGE}`,
    );
  }
  const connection = secretName.slice(tokenPrefix.length);
  if (!isConnectionName(connection)) {
    throw new RefreshError(
      'INPUT_INVALID',
      'SecretId names no connection.',
      `Name the token secret of a connection: ${tokenPrefix} and the connection's name. ${USAGE}`,
    );
  }
  return { step: stepOf(spelled), connection, versionId: ClientRequestToken };
}

function stepOf(spelled: v.InferOutput<typeof Step>): RotationRequest['step'] {
  switch (spelled) {
    case 'create_secret':
      return 'createSecret';
    case 'set_secret':
      return 'setSecret';
    case 'test_secret':
      return 'testSecret';
    case 'finish_secret':
      return 'finishSecret';
    default:
      return spelled;
  }
}
