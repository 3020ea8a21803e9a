import type { Rules } from '../../functions/core/context.ts';
import type { Ports, Profile, StoredVersion, Tokens } from '../../functions/core/ports.ts';
import type { Redacted } from '../../functions/core/redacted.ts';
import type { Run } from '../../functions/core/run.ts';
import type { Answer, Call } from './calls.ts';
import type { Core } from './core.ts';

/** The one connection of every scenario, and its profile. */
export const NAME = 'crm';

export const RULES: Rules = {
  secretPrefix: 'operator/',
  tokenPrefix: 'tokens/',
  clientSecretPrefix: 'clients/',
  loginHosts: ['login.salesforce.com'],
  instanceHosts: ['*.salesforce.com'],
  refreshIntervalSeconds: 3_600,
  tickSeconds: 300,
  jwtLifetimeSeconds: 14_400,
  ownRoleArns: [],
  rerunFlows: false,
};

/** What the ports answer, as it travels. */
export interface VersionAnswer {
  readonly versionId: string;
  readonly value: string;
  readonly createdAt: number;
  readonly readAt: number;
}
export interface ProfileAnswer {
  readonly createdAt: number;
  readonly updatedAt: number;
}
export interface TokensAnswer {
  readonly access: string;
  readonly refresh?: string;
}

/** Parks a call until the explorer has chosen its answer. */
export type Ask = (call: Call, run: Run) => Promise<string>;

/** The neighbours as the rules see them: each call is parked, and its answer is the explorer's. */
export function portsOver(ask: Ask, { errors, Redacted: Box }: Core): Ports {
  const get = async (call: Call, run: Run) => {
    const answer: Answer = JSON.parse(await ask(call, run));
    if ('ok' in answer) return answer.ok;
    throw errorOf(answer);
  };
  const errorOf = ({ error, isUnanswered, isRejected }: Extract<Answer, { error: string }>) => {
    if (isRejected === true) return new errors.CredentialsRefused('AppFlow tried them in vain.', 'None.', undefined);
    const code = codes.find((one) => one === error);
    if (code === undefined) throw new Error(`There is no code ${error}.`);
    const refused = new errors.RefreshError(code, 'So the explorer chose.', 'None.');
    return isUnanswered === true ? errors.Unanswered.of(refused) : refused;
  };
  const codes = keysOf(errors.ERROR_CODES);
  const versionIn = (answer: unknown): StoredVersion | undefined => {
    if (!isVersion(answer)) return undefined;
    const { versionId, value, createdAt, readAt } = answer;
    return { versionId, value: new Box(value), createdAt: new Date(createdAt), readAt: new Date(readAt) };
  };
  const tokensOf = (answer: unknown): Tokens => {
    if (!isTokens(answer)) throw new Error('An exchange was answered by something else.');
    const refreshToken = answer.refresh === undefined ? undefined : new Box(answer.refresh);
    return { accessToken: new Box(answer.access), refreshToken };
  };
  const putOf = (answer: unknown) => (answer === 'exists' ? 'exists' : 'put');
  const profilesFrom = async (run: Run) => {
    const answer = await get({ op: 'profiles' }, run);
    if (!isProfile(answer)) throw new Error('A profile was answered by something else.');
    const profile: Profile = {
      connectorProfileName: NAME,
      isSalesforce: true,
      createdAt: new Date(answer.createdAt),
      updatedAt: new Date(answer.updatedAt),
      connectionMode: 'Public',
      instanceUrl: undefined,
      async handOver({ accessToken, refreshToken }, by) {
        await get({ op: 'handOver', access: accessToken?.reveal() ?? '', refresh: refreshToken?.reveal() }, by);
      },
    };
    return new Map([[NAME, profile]]);
  };
  const listed = (answer: unknown) => ({
    name: RULES.secretPrefix + NAME,
    createdAt: new Date(0),
    changedAt: new Date(Number(answer)),
    tags: new Map<string, string>(),
  });
  const exchange = async (token: Redacted, run: Run) =>
    tokensOf(await get({ op: 'exchange', token: token.reveal() }, run));

  return {
    appflow: { profiles: (_, run) => profilesFrom(run), salesforceProfiles: profilesFrom, supportedGrants: none },
    flows: { flow: none, start: none, flowsOf: none, inUse: none },
    notices: { put: none },
    secrets: {
      async values(_, run) {
        const found = new Map();
        const answer = await get({ op: 'values' }, run);
        if (!Array.isArray(answer)) throw new Error('The secrets were answered by something else.');
        const [operators, tokens] = answer.map(versionIn);
        found.set(RULES.secretPrefix + NAME, operators);
        if (tokens !== undefined) found.set(RULES.tokenPrefix + NAME, tokens);
        return found;
      },
      async value(_, run) {
        const version = versionIn(await get({ op: 'value' }, run));
        if (version === undefined) throw new Error("There is no operator's secret.");
        return version;
      },
      list: async (_, run) => [listed(await get({ op: 'list' }, run))],
      describe: async (_, run) => listed(await get({ op: 'describe' }, run)),
      tags: none,
    },
    salesforce: {
      tokenEndpoint: () => ({
        exchangeRefreshToken: (_, token, run) => exchange(token, run),
        exchangeCode: (_, code, _uri, run) => exchange(code, run),
        exchangeAssertion: none,
        exchangeClientCredentials: none,
        expiryOf: async () => null,
        isActive: none,
        async tryAccessToken(token, run) {
          await get({ op: 'tryAccess', access: token.reveal() }, run);
        },
      }),
    },
    signer: {
      sign: none,
      keyTags: none,
      certificateEnd: () => new Date(0),
      privateKeyProblem: () => undefined,
      certificateIn: () => ({ pem: '' }),
    },
    store: {
      current: async (name, run) =>
        versionIn(await get({ op: 'current', isOperators: name.startsWith(RULES.secretPrefix) }, run)),
      version: async (_, versionId, run) => versionIn(await get({ op: 'version', versionId }, run)),
      async stages(_, run) {
        const answer = await get({ op: 'stages' }, run);
        const stages = new Map<string, string>();
        for (const [label, id] of Object.entries(Object(answer))) stages.set(label, String(id));
        return stages;
      },
      youngVersions: async (_, run) => Number(await get({ op: 'youngVersions' }, run)),
      create: async (_, versionId, value, run) =>
        putOf(await get({ op: 'create', versionId, value: value.reveal() }, run)),
      put: async ({ versionId, value, stages }, run) =>
        putOf(await get({ op: 'put', versionId, value: value.reveal(), stages }, run)),
      async moveStage({ stage, from, to }, run) {
        await get({ op: 'moveStage', stage, from, to }, run);
      },
    },
    escrow: {
      list: async () => [],
      keep: async (_, value, run) => String(await get({ op: 'keep', value: value.reveal() }, run)),
      async find(_, run) {
        const answer = await get({ op: 'find' }, run);
        return typeof answer === 'string' ? new Box(answer) : undefined;
      },
      async remove(_, run) {
        await get({ op: 'remove' }, run);
      },
    },
    queue: { send: none },
  };
}

async function none(): Promise<never> {
  throw new Error('No scenario makes this call.');
}

function keysOf<T extends object>(of: T): (keyof T)[] {
  const keys: (keyof T)[] = [];
  for (const key in of) keys.push(key);
  return keys;
}

function isVersion(answer: unknown): answer is VersionAnswer {
  return typeof answer === 'object' && answer !== null && 'versionId' in answer;
}

function isProfile(answer: unknown): answer is ProfileAnswer {
  return typeof answer === 'object' && answer !== null && 'updatedAt' in answer;
}

function isTokens(answer: unknown): answer is TokensAnswer {
  return typeof answer === 'object' && answer !== null && 'access' in answer;
}
