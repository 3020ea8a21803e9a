import { generateKeyPairSync } from 'node:crypto';
import { afterEach } from 'vitest';
import { TurnableClock } from '../../infra/local/clock.ts';
import type { Call, Fault } from '../../infra/local/wire/traffic.ts';
import { type LocalWorld, type LocalWorldOptions, startWorld } from '../../infra/local/world.ts';

process.env['POWERTOOLS_LOG_LEVEL'] ??= 'SILENT';
process.env['POWERTOOLS_METRICS_DISABLED'] ??= 'true';

export const START = new Date('2026-11-24T03:00:00.000Z');

/** One RSA key for all tests of a file: making one takes longer than most tests. */
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const PRIVATE_KEY = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
export const PUBLIC_KEY = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();

export const APP = 'consumer-key';
/** The app of AUTHORIZATION_CODE connections; whether it rotates refresh tokens is up to each test. */
export const CODE_APP = 'code-app';
/** The app of CLIENT_CREDENTIALS connections. */
export const CLIENT_APP = 'client-app';
export const CODE_SECRET = 'consumer-secret';
export const USER = 'integration@example.com';

export interface TestWorld extends LocalWorld {
  readonly clock: TurnableClock;
  /** Breaks calls: asked before and after each one. */
  fault: ((call: Call, phase: 'before' | 'after') => Fault | undefined | Promise<Fault | undefined>) | undefined;
  /** A JWT bearer connection and its profile, whose credentials ran out an interval ago. */
  addJwt(name: string, secret?: Record<string, unknown>, tags?: Record<string, string>): void;
  /** An AUTHORIZATION_CODE connection with a seed that a person has just authorised, and its profile. Returns the seed. */
  addCode(name: string, secret?: Record<string, unknown>, tags?: Record<string, string>): Promise<string>;
  /** A CLIENT_CREDENTIALS connection, its profile and the secret that AppFlow reads too; returns that one's ARN. */
  addClient(name: string, secret?: Record<string, unknown>, client?: unknown): string;
  /** A KMS key that says whom it serves (anybody unless given), and that the app of JWT bearer connections accepts beside the PEM key. Returns its id. */
  addKey(tags?: Record<string, string>): Promise<string>;
  /** What the token secret of a connection holds. */
  tokens(name: string): Record<string, unknown> | undefined;
  /** A profile alone. */
  addProfile(name: string, properties?: Record<string, unknown>): void;
  refresh(connections: string[], dryRun?: boolean): Promise<Report>;
}

export interface Report {
  ok: boolean;
  dryRun: boolean;
  connections: {
    connection: string;
    connectorProfileName: string;
    grantType?: string;
    handOver?: string;
    outcome: string;
    validUntil?: string | null;
    error?: { code: string; retryable: boolean; message: string; hint: string };
  }[];
}

/** What the value says where a tag names the profile: the same, unless a test says otherwise. */
function bound({ 'connector-profile-name': connectorProfileName }: Record<string, string>) {
  return connectorProfileName === undefined ? {} : { connectorProfileName };
}

const open: LocalWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

/** A world of its own for one test, closed after it. */
export async function testWorld(options: Partial<LocalWorldOptions> & { rotation?: boolean } = {}): Promise<TestWorld> {
  const clock = new TurnableClock(START);
  const hooks: Pick<TestWorld, 'fault'> = { fault: undefined };
  const world = await startWorld({ clock, intercept: (call, phase) => hooks.fault?.(call, phase), ...options });
  open.push(world);
  world.salesforce.registerApp({
    clientId: CODE_APP,
    clientSecret: CODE_SECRET,
    users: [USER],
    rotation: options.rotation ?? false,
  });
  world.salesforce.registerApp({ clientId: CLIENT_APP, clientSecret: CODE_SECRET, clientCredentialsUser: USER });
  world.salesforce.registerApp({ clientId: APP, certificates: [PUBLIC_KEY], users: [USER] });
  // A person made the secrets days ago: what was changed within two minutes of a refresh is due again.
  const createSecret: typeof world.aws.secrets.create = (secret) => {
    clock.turn(-48 * 3_600);
    const created = world.aws.secrets.create(secret);
    clock.turn(48 * 3_600);
    return created;
  };
  const hoursAgo = (hours: number) => new Date(clock.now() - hours * 3_600_000);
  return Object.assign(hooks, world, {
    clock,
    addProfile(name: string, properties: Record<string, unknown> = {}) {
      world.aws.appflow.putProfile({
        name,
        properties: { instanceUrl: 'https://example.my.salesforce.com', ...properties },
        createdAt: hoursAgo(48),
        lastUpdatedAt: hoursAgo(1),
      });
    },
    addJwt(name: string, secret: Record<string, unknown> = {}, tags: Record<string, string> = {}) {
      createSecret({
        name: `appflow-token-refresher/${name}`,
        tags,
        value: JSON.stringify({
          grantType: 'JWT_BEARER',
          loginUrl: world.salesforce.url,
          clientId: APP,
          username: USER,
          privateKey: PRIVATE_KEY,
          ...bound(tags),
          ...secret,
        }),
      });
      this.addProfile(tags['connector-profile-name'] ?? name);
    },
    async addCode(name: string, secret: Record<string, unknown> = {}, tags: Record<string, string> = {}) {
      // One user holds no more than five approvals of an app: none is made in vain.
      const given = secret['refreshToken'];
      const refreshToken =
        typeof given === 'string' ? given : (await world.salesforce.issueRefreshToken(CODE_APP, USER)).refreshToken;
      createSecret({
        name: `appflow-token-refresher/${name}`,
        tags,
        value: JSON.stringify({
          grantType: 'AUTHORIZATION_CODE',
          loginUrl: world.salesforce.url,
          clientId: CODE_APP,
          clientSecret: CODE_SECRET,
          refreshToken,
          ...bound(tags),
          ...secret,
        }),
      });
      this.addProfile(tags['connector-profile-name'] ?? name);
      return refreshToken;
    },
    addClient(
      name: string,
      secret: Record<string, unknown> = {},
      client: unknown = { clientId: CLIENT_APP, clientSecret: CODE_SECRET },
    ) {
      const { arn } = createSecret({
        name: `appflow-client-credentials/${name}`,
        tags: { 'appflow-token-refresher-connections': name },
        value: typeof client === 'string' ? client : JSON.stringify(client),
      });
      createSecret({
        name: `appflow-token-refresher/${name}`,
        value: JSON.stringify({
          grantType: 'CLIENT_CREDENTIALS',
          loginUrl: world.salesforce.url,
          clientCredentialsArn: arn,
          ...secret,
        }),
      });
      this.addProfile(name);
      return arn;
    },
    async addKey(tags: Record<string, string> = { 'appflow-token-refresher-connections': ':any' }) {
      const keyId = await world.aws.kms.createKey('RSA_2048', { tags });
      world.salesforce.registerApp({
        clientId: APP,
        certificates: [PUBLIC_KEY, world.aws.kms.publicKey(keyId)],
        users: [USER],
      });
      return keyId;
    },
    tokens(name: string) {
      const value = world.aws.secrets.read(`appflow-token-refresher-tokens/${name}`);
      return value === undefined ? undefined : JSON.parse(value);
    },
    async refresh(connections: string[], dryRun = false) {
      // The shape is the contract's; a test that reads it asserts it.
      return (await world.invoke('refresh', { connections, dryRun })) as Report;
    },
  });
}
