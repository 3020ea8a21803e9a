import type { AuthorizationCodeConnection } from '../../functions/core/connection/connection.ts';
import type { Target } from '../../functions/core/connection/target.ts';
import type { Context, Rules } from '../../functions/core/context.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import type { Envelope, Flow, ListedSecret, Profile, SecretVersion } from '../../functions/core/ports.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { type FakeRun, fakeContext, fakeRun } from './rules.ts';
import { type NotingProfile, notingProfile } from './serving.ts';
import { type TokenServices, tokenServices } from './token-services.ts';

export const NOW = Date.parse('2026-11-24T09:00:00.000Z');
export const at = (seconds: number): Date => new Date(NOW + seconds * 1000);

/** Secrets, profiles and flows in memory, for the use cases: what they read in common, and in which order they go about it. */
export interface Estate {
  readonly context: Context;
  readonly run: FakeRun;
  readonly calls: string[];
  readonly secrets: Map<string, string | RefreshError>;
  readonly listed: Map<string, ListedSecret>;
  readonly profiles: Map<string, NotingProfile>;
  readonly flows: Map<string, Flow>;
  readonly started: [flowName: string, clientToken: string][];
  readonly sent: Envelope[];
  /** The neighbours of the one AUTHORIZATION_CODE connection, sf-eu. */
  readonly tokens: TokenServices;
  /** What a call does before it does what it should, by its name; throw in it to let it fail. */
  readonly before: Record<string, (argument: string) => void | Promise<void>>;
  grants: ReadonlySet<string> | undefined;
  /** A JWT_BEARER connection with a profile that was updated an interval ago. */
  add(name: string, some?: Options): Target;
  remove(name: string): void;
}

export interface Options {
  readonly value?: Record<string, unknown>;
  readonly tags?: Record<string, string>;
  readonly createdAt?: Date;
  readonly changedAt?: Date;
  readonly profile?: Partial<Profile> | null;
}

export function estate(
  rules: Partial<Rules> = {},
  options: { run?: Parameters<typeof fakeRun>[0]; connection?: Partial<AuthorizationCodeConnection> } = {},
): Estate {
  const run = fakeRun({ now: NOW, ...options.run });
  const tokens = tokenServices({ run: { now: NOW, ...options.run }, connection: options.connection ?? {} });
  const calls: string[] = [];
  const before: Estate['before'] = {};
  const secrets: Estate['secrets'] = new Map();
  const listed: Estate['listed'] = new Map();
  const profiles: Estate['profiles'] = new Map();
  const flows: Estate['flows'] = new Map();
  const started: Estate['started'] = [];
  const sent: Envelope[] = [];
  const call = async (name: string, argument: string) => {
    calls.push(argument === '' ? name : `${name} ${argument}`);
    await before[name]?.(argument);
  };
  const missing = (name: string) => new RefreshError('SECRET_NOT_FOUND', `There is no ${name}.`, 'Create it.');
  const read = (name: string): SecretVersion | RefreshError => {
    const value = secrets.get(name) ?? missing(name);
    return value instanceof RefreshError ? value : { versionId: 'v', value: new Redacted(value) };
  };
  const context = fakeContext(
    {
      ...tokens.rotation.ports,
      secrets: {
        async values(names) {
          await call('values', names.join(' '));
          return new Map(names.flatMap((name) => (secrets.has(name) ? [[name, read(name)] as const] : [])));
        },
        async value(name) {
          await call('value', name);
          const found = read(name);
          if (found instanceof RefreshError) throw found;
          return found;
        },
        async list(prefix) {
          await call('list', prefix);
          return [...listed.values()];
        },
        async describe(name) {
          await call('describe', name);
          const found = listed.get(name);
          if (found === undefined) throw missing(name);
          return found;
        },
      },
      appflow: {
        async profiles(names) {
          await call('profiles', names.join(' '));
          return new Map([...profiles].filter(([name]) => names.includes(name)));
        },
        async salesforceProfiles() {
          await call('salesforceProfiles', '');
          return profiles;
        },
        async supportedGrants() {
          await call('supportedGrants', '');
          return made.grants;
        },
      },
      flows: {
        async flow(name) {
          await call('flow', name);
          return flows.get(name);
        },
        async start(name, token) {
          await call('start', name);
          started.push([name, token]);
        },
      },
      signer: {
        privateKeyProblem: () => undefined,
        async sign(_, claims) {
          await call('sign', JSON.parse(claims).sub);
          return new Redacted('e30.e30.sig');
        },
      },
      salesforce: { tokenEndpoint: () => tokens.rotation.endpoint },
      queue: {
        async send(envelopes) {
          await call('send', String(envelopes.length));
          sent.push(...envelopes);
          return envelopes.length;
        },
      },
    },
    run,
  );
  const made: Estate = {
    context: { ...context, rules: { ...context.rules, ...rules } },
    run,
    calls,
    secrets,
    listed,
    profiles,
    flows,
    started,
    sent,
    tokens,
    before,
    grants: undefined,
    add(name, some = {}) {
      const secretName = `appflow-token-refresher/${name}`;
      const value = {
        grantType: 'JWT_BEARER',
        clientId: '3MVG9',
        username: name,
        privateKey: 'PEM',
        connectorProfileName: some.tags?.['connector-profile-name'],
        ...some.value,
      };
      secrets.set(secretName, JSON.stringify(value));
      listed.set(secretName, {
        name: secretName,
        createdAt: some.createdAt ?? at(-90_000),
        changedAt: some.changedAt ?? at(-90_000),
        tags: new Map(Object.entries(some.tags ?? {})),
      });
      const connectorProfileName = some.tags?.['connector-profile-name'] ?? name;
      if (some.profile !== null)
        profiles.set(
          connectorProfileName,
          notingProfile({
            connectorProfileName,
            createdAt: at(-80_000),
            updatedAt: at(-3_600),
            ...some.profile,
          }),
        );
      return { connection: name, connectorProfileName, intervalSeconds: 3_600 };
    },
    remove(name) {
      secrets.delete(`appflow-token-refresher/${name}`);
      listed.delete(`appflow-token-refresher/${name}`);
    },
  };
  return made;
}

/** The operator's secret of the AUTHORIZATION_CODE connection sf-eu. */
export const CODE_SECRET = {
  grantType: 'AUTHORIZATION_CODE',
  clientId: '3MVG9',
  refreshToken: 'seed',
  username: undefined,
  privateKey: undefined,
};
