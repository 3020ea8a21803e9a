import { belonging, checkBinding, profileFor } from './connection/belonging.ts';
import type { AuthorizationCodeConnection } from './connection/connection.ts';
import { parseConnection } from './connection/parse-connection.ts';
import { listedTargets, targetOf } from './connection/target.ts';
import type { Context } from './context.ts';
import { outOfTime, RefreshError } from './errors.ts';
import { admittedRotationOf, obtainedFrom, rotationOf } from './grants/authorization-code.ts';
import { checkAccessTokenLife, type Serving } from './grants/grant.ts';
import { handOver } from './hand-over.ts';
import { type RotationResult, withTokens } from './token-rotation/protocol.ts';
import { parseRecord, tokensIn } from './token-rotation/token-record.ts';

/** What Secrets Manager asks of a rotation function. */
export interface RotationRequest {
  readonly step: 'createSecret' | 'setSecret' | 'testSecret' | 'finishSecret';
  readonly connection: string;
  /** The event's `ClientRequestToken`. */
  readonly versionId: string;
}

/**
 * Milliseconds after the reading of the operator's secret within which a hand-over may begin. Late as it may arrive, it then comes less than two
 * minutes after a change that it does not know, and the schedule takes that change for unserved. (A run of any other function, or of the command line, ends by then.)
 */
const HAND_OVER_WITHIN_MS = 58_000;

/** Milliseconds between two looks at a lease that another run holds. */
const PATIENCE = 2_000;

/**
 * One step of a Secrets Manager rotation of a token secret
 * (https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html). Each is safe to run again.
 *
 * Under rotation the old token is dead once the new one is there, so createSecret makes the new version current at once, and the later steps
 * find it so. Where a refresh has come between two steps its tokens are newer, and there is nothing left to do.
 *
 * @throws RefreshError as `refresh` reports it; `OUT_OF_TIME` where another run holds the connection until the deadline
 */
export async function rotateSecret(request: RotationRequest, context: Context): Promise<void> {
  switch (request.step) {
    case 'createSecret':
      return createSecret(request, context);
    case 'setSecret':
      return setSecret(request, context);
    case 'testSecret':
      return testSecret(request, context);
    case 'finishSecret':
      return finishSecret(request, context);
  }
}

async function createSecret({ connection: name, versionId }: RotationRequest, context: Context): Promise<void> {
  // Read anew at each attempt: while this one waits a person may store a new seed.
  await patiently(name, context, async () => {
    const connection = await readConnection(name, context);
    // Before anything is spent: a token that cannot be handed over is of no use.
    await servingOf(connection, context);
    const rotation = await admittedRotationOf(connection, context);
    return withTokens(rotation, { kind: 'rotate', versionId }, async () => undefined);
  });
}

async function setSecret({ connection: name, versionId }: RotationRequest, context: Context): Promise<void> {
  await patiently(name, context, async () => {
    const attempt = withDeadline(context, HAND_OVER_WITHIN_MS);
    const connection = await readConnection(name, attempt);
    const rotation = await admittedRotationOf(connection, attempt);
    return withTokens(rotation, { kind: 'stored', versionId }, async (tokens) => {
      const serving = await servingOf(connection, attempt);
      // What AppFlow was given since is no older: without token rotation a refresh stores no version.
      if (tokens.storedAt !== undefined && serving.profile.updatedAt >= tokens.storedAt) return;
      const obtained = await obtainedFrom(tokens, rotation);
      checkAccessTokenLife(obtained.validUntil, serving);
      await handOver(obtained, serving);
    });
  });
}

async function testSecret({ connection: name, versionId }: RotationRequest, context: Context): Promise<void> {
  const { store } = context.ports;
  const rotation = rotationOf(await readConnection(name, context), context);
  const { tokenSecret, operatorSecret, endpoint, run } = rotation;
  const value = await store.version(tokenSecret, versionId, run);
  const stages = await store.stages(tokenSecret, run);
  if (value === undefined || stages.get('AWSCURRENT') !== versionId) return;
  await endpoint.tryAccessToken(tokensIn(parseRecord(value.value, rotation), operatorSecret).accessToken, run);
}

/** While AWSPENDING sits on a version that is not current, Secrets Manager takes the rotation for unfinished and refuses the next one. */
async function finishSecret({ connection, versionId }: RotationRequest, { rules, ports, run }: Context): Promise<void> {
  const { store } = ports;
  const name = rules.tokenPrefix + connection;
  const stages = await store.stages(name, run);
  if (stages.get('AWSPENDING') !== versionId) return;
  if ((await store.version(name, versionId, run)) === undefined) {
    throw new RefreshError(
      'SECRET_NOT_FOUND',
      `The version to finish has no value in ${name}.`,
      `Start the rotation anew: aws secretsmanager rotate-secret --secret-id ${name}`,
    );
  }
  await store.moveStage({ name, stage: 'AWSPENDING', from: versionId, to: undefined }, run);
}

/** The connection's profile, if it is there and this connection's, with what a hand-over needs besides. */
async function servingOf(connection: AuthorizationCodeConnection, context: Context): Promise<Serving> {
  const { name } = connection;
  const { rules, ports, run } = context;
  const target = targetOf(await ports.secrets.describe(rules.secretPrefix + name, run), rules);
  checkBinding(connection, target, rules);
  const others = (await listedTargets(context)).filter((other) => other.connection !== name);
  const profiles = await ports.appflow.profiles([target.connectorProfileName], run);
  const profile = profileFor(target, belonging([target, ...others]), profiles, rules);
  const supportedGrants = () => ports.appflow.supportedGrants(run);
  return { ...context, target, profile, dryRun: false, tokenSecret: undefined, supportedGrants };
}

async function readConnection(name: string, { rules, ports, run }: Context): Promise<AuthorizationCodeConnection> {
  const { value } = await ports.secrets.value(rules.secretPrefix + name, run);
  const connection = parseConnection(name, value, rules, ports.signer);
  if (connection.grantType === 'AUTHORIZATION_CODE') return connection;
  throw new RefreshError(
    'INPUT_INVALID',
    `${name} is a connection of the grant ${connection.grantType}, which keeps no tokens.`,
    `Delete the secret ${rules.tokenPrefix}${name}: nothing uses it.`,
  );
}

function withDeadline({ run, ...rest }: Context, milliseconds: number): Context {
  return { ...rest, run: { ...run, deadline: Math.min(run.deadline, run.now() + milliseconds) } };
}

/** Waits while another run holds the lease, until it is released or has run out: within two minutes where it is a refresh. */
async function patiently<T>(name: string, { run }: Context, attempt: () => Promise<RotationResult<T>>): Promise<void> {
  while ((await attempt()).outcome === 'in-progress') {
    if (run.now() + PATIENCE >= run.deadline) throw outOfTime(`the wait for another run of ${name}`);
    await run.sleep(PATIENCE * (0.5 + run.random() / 2));
  }
}
