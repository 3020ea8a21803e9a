import { hostProblem } from '../core/connection/listed-hosts.ts';
import type { Rules } from '../core/context.ts';
import { RefreshError } from '../core/errors.ts';
import { enumerated } from '../core/wording.ts';

/** The functions' settings, from the environment. Durations in seconds. */
export interface Settings extends Rules {
  readonly escrowPrefix: string;
  /** Needed by `dispatch` alone. */
  readonly queueUrl: string | undefined;
  /** The KMS key for what we store ourselves, token secrets and escrow; the account's own keys unless given. */
  readonly tokenKmsKeyId: string | undefined;
}

/**
 * @param env such as `process.env`
 * @param needsQueue whether QUEUE_URL must be set
 * @throws RefreshError `SETTINGS_INVALID` with everything that is wrong: five things by name, the others counted
 */
export function parseSettings(env: Readonly<Record<string, string | undefined>>, needsQueue: boolean): Settings {
  const problems: string[] = [];
  const text = (name: string, standard: string, shape: RegExp, what: string) => {
    const value = env[name] ?? standard;
    if (!shape.test(value)) problems.push(`${name} is not ${what}`);
    return value;
  };
  const prefix = (name: string, standard: string) =>
    text(
      name,
      standard,
      /^[A-Za-z0-9/_+=.@-]{1,100}$/,
      'a prefix of secret names (1 to 100 of A-Z a-z 0-9 / _ + = . @ -)',
    );
  const seconds = (name: string, standard: number, least: number, most: number) => {
    const value = env[name];
    if (value === undefined) return standard;
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= least && number <= most))
      problems.push(`${name} is not a whole number of seconds from ${least} to ${most}`);
    return number;
  };

  const settings: Settings = {
    secretPrefix: prefix('SECRET_PREFIX', 'appflow-token-refresher/'),
    tokenPrefix: prefix('TOKEN_PREFIX', 'appflow-token-refresher-tokens/'),
    clientSecretPrefix: prefix('CLIENT_SECRET_PREFIX', 'appflow-client-credentials/'),
    escrowPrefix: text(
      'ESCROW_PREFIX',
      '/appflow-token-refresher/escrow/',
      /^\/([A-Za-z0-9_.-]+\/){1,10}$/,
      'a path of Parameter Store with a slash at both ends',
    ),
    refreshIntervalSeconds: seconds('REFRESH_INTERVAL_SECONDS', 3_600, 1, 31_536_000),
    tickSeconds: seconds('TICK_SECONDS', 300, 1, 86_400),
    jwtLifetimeSeconds: seconds('JWT_LIFETIME_SECONDS', 14_400, 1, 31_536_000),
    queueUrl: env['QUEUE_URL'],
    loginHosts: hosts('LOGIN_HOSTS', env['LOGIN_HOSTS'] ?? LOGIN_HOSTS, problems),
    instanceHosts: hosts('INSTANCE_HOSTS', env['INSTANCE_HOSTS'] ?? INSTANCE_HOSTS, problems),
    rerunFlows: text('RERUN_FLOWS', 'false', /^(true|false)$/, 'true or false') === 'true',
    tokenKmsKeyId: env['TOKEN_KMS_KEY_ID'],
  };
  if (settings.tokenKmsKeyId !== undefined && !/^[\w:/-]{1,2048}$/.test(settings.tokenKmsKeyId)) {
    problems.push('TOKEN_KMS_KEY_ID is not a key id, key ARN or alias of KMS');
  }
  checkPrefixes(settings, problems);
  if (needsQueue && settings.queueUrl === undefined) problems.push('QUEUE_URL is missing');
  if (settings.queueUrl !== undefined && URL.parse(settings.queueUrl) === null) problems.push('QUEUE_URL is not a URL');
  if (problems.length === 0) return settings;
  throw new RefreshError('SETTINGS_INVALID', `${enumerated(problems, '; ')}.`, { kind: 'environment' });
}

const LOGIN_HOSTS = 'login.salesforce.com,test.salesforce.com,*.my.salesforce.com';

const INSTANCE_HOSTS = '*.salesforce.com,*.force.com,*.cloudforce.com,*.salesforce.mil';

function hosts(name: string, list: string, problems: string[]): string[] {
  const entries = list.split(',').map((entry) => entry.trim());
  for (const entry of entries) {
    const problem = hostProblem(entry);
    if (problem !== undefined) problems.push(`${name} holds "${entry.slice(0, 80)}": ${problem}`);
  }
  return entries;
}

/** A prefix that begins another would take the other's secrets for its own, and ours would be served as connections. */
function checkPrefixes({ secretPrefix, tokenPrefix, clientSecretPrefix }: Settings, problems: string[]): void {
  const prefixes = [
    ['SECRET_PREFIX', secretPrefix],
    ['TOKEN_PREFIX', tokenPrefix],
    ['CLIENT_SECRET_PREFIX', clientSecretPrefix],
  ] as const;
  for (const [name, prefix] of prefixes) {
    for (const [other, longer] of prefixes) {
      if (name !== other && longer.startsWith(prefix))
        problems.push(`${name} begins ${other}: their secrets could not be told apart`);
    }
  }
}
