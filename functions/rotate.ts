import * as v from 'valibot';
import { RefreshError } from './core/errors.ts';
import { rotate } from './core/rotate.ts';
import { parseInput } from './runtime/input.ts';
import { lambda } from './runtime/lambda.ts';

const USAGE = 'rotate takes the events of a Secrets Manager rotation: {Step, SecretId, ClientRequestToken}.';

/** Some pages of Secrets Manager spell the steps one way, some the other. */
const STEPS = {
  createSecret: 'createSecret',
  create_secret: 'createSecret',
  setSecret: 'setSecret',
  set_secret: 'setSecret',
  testSecret: 'testSecret',
  test_secret: 'testSecret',
  finishSecret: 'finishSecret',
  finish_secret: 'finishSecret',
} as const;

/** Secrets Manager may add keys of its own, such as RotationToken, so others are not refused here. */
const Input = v.object({
  Step: v.pipe(
    v.picklist(Object.keys(STEPS) as (keyof typeof STEPS)[], 'is none of the four steps'),
    v.transform((step) => STEPS[step]),
  ),
  SecretId: v.pipe(v.string('must be a string'), v.minLength(1, 'is empty')),
  ClientRequestToken: v.pipe(
    v.string('must be a string'),
    v.regex(/^[\w-]{32,64}$/, 'is no version id (32 to 64 characters)'),
  ),
});

/** One step of the rotation of a token secret. */
export const create = lambda(async (event, { rules, settings, ports, run, log }) => {
  const { Step, SecretId, ClientRequestToken } = parseInput(Input, event, USAGE);
  const secretName =
    /^arn:[\w-]+:secretsmanager:[\w-]*:\d*:secret:(.+)-[A-Za-z0-9]{6}$/.exec(SecretId)?.[1] ?? SecretId;
  if (!secretName.startsWith(rules.tokenPrefix)) {
    throw new RefreshError(
      'INPUT_INVALID',
      `SecretId is not of a secret named under ${rules.tokenPrefix}.`,
      `Set this function as the rotation function of token secrets alone. ${USAGE}`,
    );
  }
  const connection = secretName.slice(rules.tokenPrefix.length);
  await rotate(Step, connection, ClientRequestToken, { ...rules, ...settings }, ports, run);
  log.info(`${connection}: ${Step} done`, { connection, step: Step });
});

export const handler = create();
