import { clientOf, credentialsOf, rotationPorts, validUntilOf } from './authorization-code.ts';
import { outOfTime } from './aws-error.ts';
import { claimants } from './by-hand.ts';
import { type AuthorizationCodeConnection, parseConnection } from './connection.ts';
import { checkLimits } from './credentials.ts';
import { CredentialsRefused, RefreshError } from './errors.ts';
import { checkAccessTokenLife } from './obtain.ts';
import { type Rotation, withTokens } from './rotation.ts';
import type { Run } from './run.ts';
import { checkedProfile, profileFields, type RefreshPorts, type RefreshRules } from './serving.ts';
import { targetOf } from './targets.ts';
import { parseRecord, tokensIn } from './token-record.ts';

export type RotationStep = 'createSecret' | 'setSecret' | 'testSecret' | 'finishSecret';

/** Milliseconds between two looks at a claim that another run holds. */
const PATIENCE = 2_000;

/**
 * One step of a Secrets Manager rotation of a token secret
 * (https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html). Each is safe to run again.
 *
 * Under rotation the old token is dead once the new one is there, so createSecret makes the new version current at once, and the later steps
 * find it so. Where a refresh has come between two steps its tokens are newer, and there is nothing left to do.
 *
 * @param versionId the event's `ClientRequestToken`
 * @throws RefreshError as `refresh` reports it; `OUT_OF_TIME` where another run holds the connection until the deadline
 */
export async function rotate(
  step: RotationStep,
  name: string,
  versionId: string,
  rules: RefreshRules & { readonly refreshIntervalSeconds: number },
  ports: RefreshPorts,
  run: Run,
): Promise<void> {
  const tokenSecret = rules.tokenPrefix + name;
  if (step === 'finishSecret') return finish(tokenSecret, versionId, ports, run);
  if (step === 'createSecret') {
    // Before anything is spent: a token that cannot be handed over is of no use.
    await profileOf(name, rules, ports, run);
    // Read anew at each attempt: while this one waits a person may store a new seed.
    return patiently(name, run, async () => {
      const { connection, rotation } = await rotationOf(name, rules, ports, run);
      return withTokens(connection, { kind: 'rotate', versionId }, rotation, run, async () => undefined);
    });
  }
  const { connection, rotation } = await rotationOf(name, rules, ports, run);
  if (step === 'testSecret') {
    const { store } = ports;
    const value = await store.version(tokenSecret, versionId, run);
    const stages = await store.stages(tokenSecret, run);
    if (value === undefined || stages.get('AWSCURRENT') !== versionId) return;
    const { accessToken } = tokensIn(parseRecord(value, rotation), rotation.operatorSecret);
    return rotation.endpoint.tryAccessToken(accessToken, run);
  }
  const { target, profile } = await profileOf(name, rules, ports, run);
  await patiently(name, run, () =>
    withTokens(connection, { kind: 'stored', versionId }, rotation, run, async (held) => {
      const { credentials } = credentialsOf(connection, held);
      const validUntil = await validUntilOf(await rotation.client(), held.accessToken, rotation.endpoint, run);
      checkAccessTokenLife(name, validUntil, target.intervalSeconds, run);
      checkLimits(name, { ...credentials, ...profileFields(profile) });
      await profile.handOver(credentials, run).catch((error: unknown) => {
        if (!(error instanceof CredentialsRefused)) throw error;
        return profile.handOver(credentials, run);
      });
    }),
  );
}

/** While AWSPENDING sits on a version that is not current, Secrets Manager takes the rotation for unfinished and refuses the next one. */
async function finish(tokenSecret: string, versionId: string, { store }: RefreshPorts, run: Run): Promise<void> {
  const stages = await store.stages(tokenSecret, run);
  if (stages.get('AWSPENDING') !== versionId) return;
  if ((await store.version(tokenSecret, versionId, run)) === undefined) {
    throw new RefreshError(
      'SECRET_NOT_FOUND',
      `The version to finish has no value in ${tokenSecret}.`,
      `Start the rotation anew: aws secretsmanager rotate-secret --secret-id ${tokenSecret}`,
    );
  }
  await store.moveStage(tokenSecret, 'AWSPENDING', versionId, undefined, run);
}

/** The profile that the connection is for, if it is there and nobody else's. */
async function profileOf(
  name: string,
  rules: RefreshRules & { readonly refreshIntervalSeconds: number },
  { secrets, appflow }: RefreshPorts,
  run: Run,
) {
  const secret = await secrets.describe(rules.secretPrefix + name, run);
  const target = targetOf(secret, rules.secretPrefix, rules.refreshIntervalSeconds);
  const others = (await claimants(secrets, rules, run)).get(target.connectorProfileName) ?? [];
  const profiles = await appflow.profiles([target.connectorProfileName], run);
  const isShared = others.some(({ connection }) => connection !== name);
  return { target, profile: checkedProfile(target, isShared, profiles) };
}

async function rotationOf(name: string, rules: RefreshRules, ports: RefreshPorts, run: Run) {
  const connection = await authorizationCodeConnection(name, rules, ports, run);
  const client = () => clientOf(connection, ports.secrets, run);
  return { connection, rotation: rotationPorts(connection, client, rules, ports) };
}

async function authorizationCodeConnection(
  name: string,
  rules: RefreshRules,
  { secrets }: RefreshPorts,
  run: Run,
): Promise<AuthorizationCodeConnection> {
  const { value } = await secrets.value(rules.secretPrefix + name, run);
  const connection = parseConnection(name, value, rules);
  if (connection.grantType === 'AUTHORIZATION_CODE') return connection;
  throw new RefreshError(
    'INPUT_INVALID',
    `${name} is a connection of the grant ${connection.grantType}, which keeps no tokens.`,
    `Delete the secret ${rules.tokenPrefix}${name}: nothing uses it.`,
  );
}

/** Waits while another run holds the claim: it is done, or dead and its claim lapsed, within a minute. */
async function patiently<T>(name: string, run: Run, attempt: () => Promise<Rotation<T>>): Promise<void> {
  while ((await attempt()).outcome === 'in-progress') {
    if (run.now() + PATIENCE >= run.deadline) throw outOfTime(`the wait for another run of ${name}`);
    await run.sleep(PATIENCE * (0.5 + run.random() / 2));
  }
}
