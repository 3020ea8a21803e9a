import { inspect } from 'node:util';
import fc from 'fast-check';
import type { Context } from '../../functions/core/context.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import type { Ports, TokenEndpoint } from '../../functions/core/ports.ts';
import type { Run } from '../../functions/core/run.ts';

/** The RefreshError that an action throws; anything else it throws, and throwing nothing, fails the test. */
export function thrownBy(action: () => unknown): RefreshError {
  try {
    action();
  } catch (error) {
    if (error instanceof RefreshError) return error;
    throw error;
  }
  throw new Error('Nothing was thrown.');
}

/** The RefreshError that a promise rejects with; any other rejection, and none, fails the test. */
export async function rejectionOf(promise: Promise<unknown>): Promise<RefreshError> {
  const error: unknown = await promise.then(
    () => new Error('Nothing was thrown.'),
    (reason) => reason,
  );
  if (error instanceof RefreshError) return error;
  throw error;
}

/** All that an error can show, however it is printed. */
export function everythingSaidBy(error: RefreshError): string {
  const { message, hint, name, stack } = error;
  const printed = inspect(error, { depth: 10, showHidden: true });
  return [message, hint, name, stack, String(error), String(error.cause), JSON.stringify(error), printed].join('\n');
}

/** A string that occurs in no text of ours: what stands for a secret where a test looks for it. */
export const marker: fc.Arbitrary<string> = fc
  .string({
    unit: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'),
    minLength: 10,
    maxLength: 24,
  })
  .map((text) => `zQ7${text}`);

/** Strings of any UTF-16 code units, lone surrogates included, rich in those that trouble JSON and base64url. */
export const anyText: fc.Arbitrary<string> = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...'>~?\u007f-_+/="\\\u0000\n\u001f\u2028\ud800\udfff\u00be\u00fe\u00ff\u0100'),
    fc.integer({ min: 0x20, max: 0x7e }).map((unit) => String.fromCharCode(unit)),
    fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)),
    fc.integer({ min: 0x1_0000, max: 0x10_ffff }).map((point) => String.fromCodePoint(point)),
  ),
  maxLength: 60,
});

export interface FakeRun extends Run {
  /** Milliseconds, one a sleep. */
  readonly waits: number[];
  readonly warnings: { connection: string; message: string }[];
}

/** A run whose clock moves only when it sleeps, and which sleeps in no time. */
export function fakeRun(
  options: { now?: number; deadline?: number; random?: () => number; signal?: AbortSignal } = {},
): FakeRun {
  let now = options.now ?? Date.parse('2026-11-24T09:00:00.000Z');
  const waits: number[] = [];
  const warnings: { connection: string; message: string }[] = [];
  return {
    id: 'run-1',
    now: () => now,
    sleep: async (milliseconds) => {
      waits.push(milliseconds);
      now += milliseconds;
    },
    timer: () => ({ rung: new Promise(() => undefined), cancel: () => undefined }),
    random: options.random ?? (() => 0.5),
    deadline: options.deadline ?? now + 45_000,
    signal: options.signal ?? new AbortController().signal,
    warn: (connection, message) => warnings.push({ connection, message }),
    waits,
    warnings,
  };
}

const unexpected = async (): Promise<never> => {
  throw new Error('No such call is expected here.');
};
const unexpectedNow = (): never => {
  throw new Error('No such call is expected here.');
};

/** A token endpoint that refuses every call but those given. */
export function fakeEndpoint(expected: Partial<TokenEndpoint>): TokenEndpoint {
  return {
    exchangeAssertion: unexpected,
    exchangeRefreshToken: unexpected,
    exchangeCode: unexpected,
    exchangeClientCredentials: unexpected,
    expiryOf: unexpected,
    isActive: unexpected,
    tryAccessToken: unexpected,
    ...expected,
  };
}

/** The rules of a deployment that settled nothing, and neighbours that refuse every call but those given. */
export function fakeContext(
  expected: { readonly [P in keyof Ports]?: Partial<Ports[P]> },
  run: Run = fakeRun(),
): Context {
  return {
    rules: {
      secretPrefix: 'appflow-token-refresher/',
      tokenPrefix: 'appflow-token-refresher-tokens/',
      clientSecretPrefix: 'appflow-client-credentials/',
      loginHosts: ['*.my.salesforce.com', 'login.salesforce.com', 'test.salesforce.com'],
      instanceHosts: ['*.salesforce.com'],
      refreshIntervalSeconds: 3_600,
      tickSeconds: 300,
      jwtLifetimeSeconds: 14_400,
      ownRoleArns: [],
      rerunFlows: false,
    },
    ports: {
      appflow: {
        profiles: unexpected,
        salesforceProfiles: unexpected,
        supportedGrants: unexpected,
        ...expected.appflow,
      },
      flows: { flow: unexpected, start: unexpected, flowsOf: unexpected, inUse: unexpected, ...expected.flows },
      secrets: {
        values: unexpected,
        value: unexpected,
        list: unexpected,
        describe: unexpected,
        tags: unexpected,
        ...expected.secrets,
      },
      notices: { put: unexpected, ...expected.notices },
      salesforce: { tokenEndpoint: unexpectedNow, ...expected.salesforce },
      signer: {
        sign: unexpected,
        keyTags: unexpected,
        certificateEnd: unexpectedNow,
        privateKeyProblem: unexpectedNow,
        certificateIn: unexpectedNow,
        ...expected.signer,
      },
      store: {
        current: unexpected,
        version: unexpected,
        stages: unexpected,
        youngVersions: unexpected,
        create: unexpected,
        put: unexpected,
        moveStage: unexpected,
        ...expected.store,
      },
      escrow: { list: unexpected, keep: unexpected, find: unexpected, remove: unexpected, ...expected.escrow },
      queue: { send: unexpected, ...expected.queue },
    },
    run,
  };
}
