import { randomUUID } from 'node:crypto';
import { PutSecretValueCommand, RotateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Call, Fault } from '../../infra/local/wire/traffic.ts';
import { CODE_APP, type TestWorld, testWorld, USER } from './world.ts';

/** How the app treats refresh tokens. `switched` starts without rotation, and the test turns it on. */
export const BEHAVIOURS = ['rotating', 'steady', 'switched'] as const;
export type Behaviour = (typeof BEHAVIOURS)[number];

export const NAME = 'sf';
export const OPERATOR_SECRET = `appflow-token-refresher/${NAME}`;
export const TOKEN_SECRET = `appflow-token-refresher-tokens/${NAME}`;
/** Seconds. */
export const TICK = 300;
export const INTERVAL = 3600;

export const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;

type WorldOptions = NonNullable<Parameters<typeof testWorld>[0]>;

export interface CodeWorld extends TestWorld {
  /** The refresh token that a person has authorised last. */
  seed: string;
}

/** A world with one AUTHORIZATION_CODE connection that was never refreshed. */
export async function codeWorld(
  behaviour: Behaviour,
  options: WorldOptions = {},
  secret: Record<string, unknown> = {},
  tags: Record<string, string> = {},
): Promise<CodeWorld> {
  const world = await testWorld({ ...options, rotation: behaviour === 'rotating' });
  const seed = await world.addCode(NAME, secret, tags);
  return Object.assign(world, { seed });
}

/** Puts a new seed into the operator's secret, as a person who has authorised the app again. */
export async function reauthorise(world: CodeWorld): Promise<void> {
  const { refreshToken } = await world.salesforce.issueRefreshToken(CODE_APP, USER);
  world.seed = refreshToken;
  edit(world, { refreshToken, oAuthRequest: undefined });
}

export function edit(world: TestWorld, changes: Record<string, unknown>): void {
  const secret = JSON.parse(world.aws.secrets.read(OPERATOR_SECRET) ?? '{}');
  world.aws.secrets.put(OPERATOR_SECRET, JSON.stringify({ ...secret, ...changes }));
}

/** What is wrong with the connection now that nothing is under way; empty where nothing is. */
export function faultsOf(world: CodeWorld): string[] {
  const faults: string[] = [];
  const family = world.salesforce.family(world.seed);
  const stored = world.tokens(NAME);
  if (family?.alive !== true) faults.push('the token family is dead');
  else if (stored?.['refreshToken'] !== family.liveRefreshToken)
    faults.push('AWSCURRENT does not hold the live refresh token');
  const held = world.aws.appflow.credentials(NAME);
  if (!world.salesforce.accessTokenIsLive(held?.accessToken ?? '')) faults.push('AppFlow holds no live access token');
  if (stored?.['rotates'] === true && held?.refreshToken !== undefined)
    faults.push('AppFlow was given a refresh token that rotates');
  // Where nothing rotates the store need not keep each access token, and `rotate` asks nobody for the end of its own.
  const newest = [newestAccessToken(world), stored?.['accessToken']];
  if (!newest.includes(held?.accessToken)) faults.push('AppFlow does not hold the newest access token');
  if (world.aws.parameters.all().length > 0) faults.push('escrow is not empty');
  return faults;
}

/** `refresh` asks for the end of each new access token before it hands it over; `rotate` does not. */
function newestAccessToken(world: TestWorld): string | undefined {
  const last = world.salesforce.calls.findLast(({ operation }) => operation === 'introspect');
  return (last?.input as { token?: string } | undefined)?.token;
}

const REFRESHES = ['token:refresh_token', 'token:authorization_code'];

export function exchanges(world: TestWorld): number {
  return world.salesforce.calls.filter(({ operation }) => REFRESHES.includes(operation)).length;
}

export function isExchange({ operation }: Call): boolean {
  return REFRESHES.includes(operation);
}

/** Whether a call stores tokens as AWSCURRENT, and is not a lease. */
export function isPersisting({ operation, input }: Call): boolean {
  const { VersionStages: stages } = input as { VersionStages?: readonly string[] };
  return operation === 'PutSecretValue' && (stages === undefined || stages.includes('AWSCURRENT'));
}

export function isLease({ operation, input }: Call): boolean {
  const { VersionStages: stages } = input as { VersionStages?: readonly string[] };
  return operation === 'PutSecretValue' && stages?.includes('REFRESH_LEASE') === true;
}

/** Does something once, at the first call that matches, while that call waits. */
export function once(
  world: TestWorld,
  matches: (call: Call, phase: 'before' | 'after') => boolean,
  act: () => Promise<Fault | undefined>,
): { readonly happened: boolean } {
  const state = { happened: false };
  world.fault = async (call, phase) => {
    if (state.happened || !matches(call, phase)) return undefined;
    state.happened = true;
    return act();
  };
  return state;
}

/** Ticks, each `TICK` after the one before. */
export async function ticks(world: TestWorld, count: number, each?: (n: number) => void): Promise<void> {
  for (let n = 0; n < count; n++) {
    world.clock.turn(TICK);
    await world.tick();
    each?.(n);
  }
}

/** `aws secretsmanager rotate-secret`, to its end. */
export async function rotateSecret(world: CodeWorld, token: string = randomUUID()): Promise<string> {
  const client = new SecretsManagerClient({ endpoint: world.aws.url, region: 'us-east-1', maxAttempts: 1 });
  await client.send(
    new RotateSecretCommand({
      SecretId: TOKEN_SECRET,
      ClientRequestToken: token,
      RotationLambdaARN: 'arn:aws:lambda:us-east-1:123456789012:function:rotate',
    }),
  );
  client.destroy();
  await world.aws.settled();
  return token;
}

/** Puts versions that carry no label of ours into a token secret, as failed refreshes of a bad day do. */
export async function fillVersions(world: TestWorld, name: string, count: number): Promise<void> {
  const client = new SecretsManagerClient({ endpoint: world.aws.url, region: 'us-east-1', maxAttempts: 1 });
  for (let n = 0; n < count; n++) {
    const SecretId = `appflow-token-refresher-tokens/${name}`;
    const input = { SecretId, SecretString: String(n), ClientRequestToken: randomUUID(), VersionStages: ['FILLER'] };
    await client.send(new PutSecretValueCommand(input));
  }
  client.destroy();
}

/** As Secrets Manager reattempts a rotation that did not end: all steps, and again where one ran out of time. */
export async function reattempt(world: CodeWorld): Promise<void> {
  const pending = world.aws.secrets.versions(TOKEN_SECRET).find(({ stages }) => stages.includes('AWSPENDING'));
  if (pending === undefined) return;
  const SecretId = world.aws.secrets.describe(TOKEN_SECRET)?.ARN;
  const attempt = async () => {
    for (const Step of STEPS) await step(world, Step, pending.id, SecretId);
  };
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === 3 || !(error instanceof Error && error.name === 'OUT_OF_TIME')) throw error;
    }
  }
}

/** Ticks until two in a row did nothing. */
export async function untilQuiet(world: CodeWorld): Promise<void> {
  for (let quiet = 0, n = 0; quiet < 2 && n < 12; n++) {
    const before = world.aws.calls.length;
    world.clock.turn(TICK);
    await world.tick();
    const calls = world.aws.calls.slice(before);
    quiet = calls.some(({ operation }) => operation === 'BatchGetSecretValue') ? 0 : quiet + 1;
  }
}

/** One step by a direct event. */
export function step(world: TestWorld, Step: string, ClientRequestToken: string, SecretId = TOKEN_SECRET) {
  return world.invoke('rotate', { Step, SecretId, ClientRequestToken });
}

/** Every refresh token and code that was sent, in order. */
export function sentTokens(world: TestWorld): string[] {
  return world.salesforce.calls.filter(isExchange).map(({ input }) => {
    const { refresh_token, code } = input as { refresh_token?: string; code?: string };
    return refresh_token ?? code ?? '';
  });
}
