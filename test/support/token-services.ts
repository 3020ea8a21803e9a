import type { AuthorizationCodeConnection } from '../../functions/core/connection/connection.ts';
import { RefreshError, Unanswered } from '../../functions/core/errors.ts';
import type { Escrow, StoredVersion, TokenEndpoint, TokenStore, Tokens } from '../../functions/core/ports.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import type { Run, Timer } from '../../functions/core/run.ts';
import type { RotationContext } from '../../functions/core/token-rotation/rotation-context.ts';
import { type FakeRun, fakeEndpoint, fakeRun } from './rules.ts';

export const CONNECTION = 'sf-eu';
export const TOKENS = 'appflow-token-refresher-tokens/sf-eu';
export const OPERATORS = 'appflow-token-refresher/sf-eu';

export const CODE_CONNECTION: AuthorizationCodeConnection = {
  name: CONNECTION,
  connectorProfileName: CONNECTION,
  loginUrl: 'https://login.salesforce.com',
  grantType: 'AUTHORIZATION_CODE',
  handOver: 'ACCESS_AND_REFRESH_TOKEN',
  clientId: '3MVG9',
  clientSecret: undefined,
  seed: { refreshToken: new Redacted('seed') },
  clientCredentialsArn: undefined,
};

/** What a call does instead of, or before, what it should: throw, wait, or change something. */
export type Hook = (args: readonly unknown[], nth: number) => void | Promise<void>;

/** Secrets Manager, Parameter Store and Salesforce in memory, as far as the rotation protocol needs them for one connection. */
export interface TokenServices {
  readonly run: FakeRun & { ring(): void };
  /** Names of calls in their order, `put:LABEL` for each put. */
  readonly calls: string[];
  readonly before: Record<string, Hook>;
  readonly after: Record<string, Hook>;
  /** Id of version → value and date. */
  readonly versions: Map<string, { value: string; createdAt: number }>;
  readonly labels: Map<string, string>;
  escrowed: string | undefined;
  operatorSecret: string | undefined;
  /** What Salesforce answers to the next exchange; without one it issues `access-n` alone. */
  readonly issued: Tokens[];
  /** What was sent to Salesforce. */
  readonly sent: string[];
  readonly rotation: RotationContext;
  /** Milliseconds by which the clock of Secrets Manager is ahead of the run's. */
  ahead: number;
  /** Puts a version as if a run had. */
  seed(versionId: string, value: unknown, ...labels: string[]): void;
  /** The JSON that AWSCURRENT holds. */
  current(): unknown;
}

export interface TokenServicesOptions {
  readonly connection?: Partial<AuthorizationCodeConnection>;
  readonly run?: Parameters<typeof fakeRun>[0];
  /** Whether somebody has made the secret without a value. */
  readonly isEmptySecret?: boolean;
  readonly endpoint?: Partial<TokenEndpoint>;
}

export function tokenServices(options: TokenServicesOptions = {}): TokenServices {
  const calls: string[] = [];
  const before: Record<string, Hook> = {};
  const after: Record<string, Hook> = {};
  const counts = new Map<string, number>();
  const versions = new Map<string, { value: string; createdAt: number }>();
  const labels = new Map<string, string>();
  const issued: Tokens[] = [];
  const sent: string[] = [];
  let exists = options.isEmptySecret === true;
  const base = fakeRun(options.run);
  let ring = (): void => undefined;
  const run = {
    ...base,
    timer(): Timer {
      const { promise, resolve } = Promise.withResolvers<void>();
      ring = resolve;
      return { rung: promise, cancel: () => calls.push('cancel') };
    },
    ring: () => ring(),
  };

  async function called<T>(name: string, args: readonly unknown[], answer: () => T): Promise<T> {
    calls.push(name);
    const nth = (counts.get(name) ?? 0) + 1;
    counts.set(name, nth);
    await before[name]?.(args, nth);
    const result = answer();
    await after[name]?.(args, nth);
    return result;
  }
  const secretsNow = () => run.now() + services.ahead;
  const read = (id: string | undefined): StoredVersion | undefined => {
    const version = id === undefined ? undefined : versions.get(id);
    if (id === undefined || version === undefined) return undefined;
    const { value, createdAt } = version;
    return {
      versionId: id,
      value: new Redacted(value),
      createdAt: new Date(createdAt),
      readAt: new Date(secretsNow()),
    };
  };
  const only = (name: string) => {
    if (name !== TOKENS) throw new Error(`${name} is not the token secret.`);
  };
  const store: TokenStore = {
    current: (name, by) =>
      called(name === OPERATORS ? 'current of operator' : 'current', [name, by], () => {
        if (name !== OPERATORS) {
          only(name);
          return read(labels.get('AWSCURRENT'));
        }
        const { operatorSecret } = services;
        if (operatorSecret === undefined) return undefined;
        const at = new Date(secretsNow());
        return { versionId: 'o', value: new Redacted(operatorSecret), createdAt: at, readAt: at };
      }),
    version: (name, id, by) =>
      called('version', [name, id, by], () => {
        only(name);
        return read(id);
      }),
    stages: (name, by) =>
      called('stages', [name, by], () => {
        only(name);
        return new Map(labels);
      }),
    youngVersions: (name, by) =>
      called('youngVersions', [name, by], () => {
        only(name);
        return versions.size;
      }),
    create: (name, versionId, value, by) =>
      called('create', [name, versionId, value, by], () => {
        only(name);
        if (exists || versions.size > 0) return 'exists';
        exists = true;
        versions.set(versionId, { value: value.reveal(), createdAt: secretsNow() });
        labels.set('AWSCURRENT', versionId);
        return 'put';
      }),
    put: (version, by) =>
      called(`put:${version.stages?.join('+') ?? 'AWSCURRENT'}`, [version, by], () => {
        const { name, versionId, value, stages = ['AWSCURRENT'] } = version;
        only(name);
        const there = versions.get(versionId);
        if (there !== undefined && there.value !== value.reveal()) return 'exists';
        if (versions.size === 0) labels.set('AWSCURRENT', versionId);
        if (there === undefined) versions.set(versionId, { value: value.reveal(), createdAt: secretsNow() });
        for (const label of stages) labels.set(label, versionId);
        return 'put';
      }),
    moveStage: (move, by) =>
      called(`move:${move.stage}`, [move, by], () => {
        only(move.name);
        if (labels.get(move.stage) !== move.from) throw new Error(`${move.stage} is not on ${move.from}.`);
        if (move.to === undefined) labels.delete(move.stage);
        else labels.set(move.stage, move.to);
      }),
  };
  const escrow: Escrow = {
    list: async () => [],
    keep: (connection, value, by) =>
      called('keep', [connection, value, by], () => {
        services.escrowed = value.reveal();
        return `/escrow/${connection}`;
      }),
    find: (connection, by) =>
      called('find', [connection, by], () =>
        services.escrowed === undefined ? undefined : new Redacted(services.escrowed),
      ),
    remove: (connection, by) =>
      called('remove', [connection, by], () => {
        services.escrowed = undefined;
      }),
  };
  const exchange = (what: string, token: string, by: Run) =>
    called(what, [token, by], () => {
      sent.push(token);
      return issued.shift() ?? { accessToken: new Redacted(`access-${sent.length}`), refreshToken: undefined };
    });
  const endpoint = fakeEndpoint({
    exchangeRefreshToken: (_client, token, by) => exchange('exchange', token.reveal(), by),
    exchangeCode: (_client, code, redirectUri, by) => exchange('exchange code', `${code.reveal()} ${redirectUri}`, by),
    ...options.endpoint,
  });
  const connection = { ...CODE_CONNECTION, ...options.connection };
  const services: TokenServices = {
    run,
    calls,
    before,
    after,
    versions,
    labels,
    escrowed: undefined,
    operatorSecret: '{"refreshToken":"seed"}',
    issued,
    sent,
    ahead: 0,
    rotation: {
      connection,
      ports: { store, escrow },
      endpoint,
      client: () => called('client', [], () => ({ clientId: '3MVG9', clientSecret: undefined })),
      tokenSecret: TOKENS,
      operatorSecret: OPERATORS,
      run,
    },
    seed(versionId, value, ...stages) {
      exists = true;
      versions.set(versionId, { value: JSON.stringify(value), createdAt: secretsNow() });
      for (const label of stages) labels.set(label, versionId);
    },
    current() {
      const id = labels.get('AWSCURRENT');
      return JSON.parse((id === undefined ? undefined : versions.get(id)?.value) ?? 'null');
    },
  };
  return services;
}

/** Tokens as Salesforce issues them. */
export function tokens(access: string, refresh?: string): Tokens {
  return {
    accessToken: new Redacted(access),
    refreshToken: refresh === undefined ? undefined : new Redacted(refresh),
  };
}

export function down(): RefreshError {
  return new RefreshError('SECRETS_UNAVAILABLE', 'Secrets Manager is down.', 'Wait.');
}

/** An error of a request that may still arrive. */
export function unanswered(): Unanswered {
  return Unanswered.of(down());
}
