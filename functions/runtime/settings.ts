import { hostEntry } from '../core/connection/listed-hosts.ts';
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

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The one parser of settings: of the functions, of the command line, and of what a deployment is packaged with. What it says of a value that is
 * wrong names the variable and the place in its list, and never the value.
 *
 * @param env such as `process.env`; where AWS_EXECUTION_ENV says that this is Lambda, nothing may point to the machine itself
 * @param needsQueue whether QUEUE_URL must be set
 * @throws RefreshError `SETTINGS_INVALID` with everything that is wrong
 */
export async function parseSettings(env: Environment, needsQueue: boolean): Promise<Settings> {
  const inLambda = env['AWS_EXECUTION_ENV']?.startsWith('AWS_Lambda_') === true;
  const problems: string[] = [];
  const text = (name: string, standard: string, fits: (value: string) => boolean, what: string) => {
    const value = env[name] ?? standard;
    if (!fits(value)) problems.push(`${name} is not ${what}`);
    return value;
  };
  const optional = (name: string, fits: (value: string) => boolean, what: string) => {
    const value = env[name];
    if (value !== undefined && !fits(value)) problems.push(`${name} is not ${what}`);
    return value;
  };
  const seconds = (name: string, standard: number, most: number) => {
    const value = env[name];
    if (value === undefined) return standard;
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= 1 && number <= most)) problems.push(`${name} is not a whole number of seconds from 1 to ${most}`);
    return number;
  };
  const hosts = async (name: string, standard: string) => {
    const entries = (env[name] ?? standard).split(',').map((entry) => entry.trim());
    problems.push(...(await hostProblems(name, entries, standard.split(','), inLambda)));
    return entries;
  };

  const list = (name: string, fits: (value: string) => boolean, what: string) => {
    const entries = (env[name] ?? '').split(',').map((entry) => entry.trim());
    if (entries.length === 1 && entries[0] === '') return [];
    const wrong = entries.flatMap((entry, index) => (fits(entry) ? [] : [index + 1]));
    if (wrong.length > 0)
      problems.push(`${entriesAt(wrong)} of ${name} ${wrong.length === 1 ? 'is' : 'are'} not ${what}`);
    return entries;
  };

  const settings: Settings = {
    secretPrefix: text('SECRET_PREFIX', 'appflow-token-refresher/', isSecretPrefix, SECRET_PREFIX),
    tokenPrefix: text('TOKEN_PREFIX', 'appflow-token-refresher-tokens/', isSecretPrefix, SECRET_PREFIX),
    clientSecretPrefix: text('CLIENT_SECRET_PREFIX', 'appflow-client-credentials/', isSecretPrefix, SECRET_PREFIX),
    escrowPrefix: text(
      'ESCROW_PREFIX',
      '/appflow-token-refresher/escrow/',
      isParameterPath,
      'a path of Parameter Store, such as /a/b/, outside /aws and /ssm',
    ),
    refreshIntervalSeconds: seconds('REFRESH_INTERVAL_SECONDS', 3_600, 31_536_000),
    tickSeconds: seconds('TICK_SECONDS', 300, 86_400),
    jwtLifetimeSeconds: seconds('JWT_LIFETIME_SECONDS', 14_400, 86_400),
    queueUrl: optional('QUEUE_URL', (value) => isQueueUrl(value, inLambda), 'the https URL of a FIFO queue'),
    loginHosts: await hosts('LOGIN_HOSTS', LOGIN_HOSTS),
    instanceHosts: await hosts('INSTANCE_HOSTS', INSTANCE_HOSTS),
    ownRoleArns: list('OWN_ROLE_ARNS', isRoleArn, 'the ARN of a role'),
    rerunFlows: text('RERUN_FLOWS', 'false', (value) => /^(true|false)$/.test(value), 'true or false') === 'true',
    tokenKmsKeyId: optional('TOKEN_KMS_KEY_ID', isKeyId, 'a key id, key ARN or alias of KMS'),
  };
  if (needsQueue && settings.queueUrl === undefined) problems.push('QUEUE_URL is missing');
  checkPrefixes(settings, problems);
  if (problems.length === 0) return settings;
  throw new RefreshError('SETTINGS_INVALID', `${problems.join('; ')}.`, { kind: 'environment' });
}

const LOGIN_HOSTS = 'login.salesforce.com,test.salesforce.com,*.my.salesforce.com';

const INSTANCE_HOSTS = '*.salesforce.com,*.force.com,*.cloudforce.com,*.salesforce.mil';

const SECRET_PREFIX = 'a prefix of secret names (1 to 100 of A-Z a-z 0-9 /_+=.@- without .. and aws/)';

/**
 * Roles grant what a prefix begins: a `*`, `?` or `$` would be a wildcard or a variable to IAM. A `!` marks secrets that a service of AWS owns, and
 * names under `aws/` are AWS's too.
 */
function isSecretPrefix(value: string): boolean {
  return /^[A-Za-z0-9/_+=.@-]{1,100}$/.test(value) && !value.includes('..') && !/^aws\//i.test(value);
}

/** Parameter Store refuses names under aws and ssm, in any case. */
function isParameterPath(value: string): boolean {
  return /^\/([A-Za-z0-9_.-]+\/){1,10}$/.test(value) && value.length <= 100 && !/^\/(aws|ssm)|\.\./i.test(value);
}

/** Messages name connections, and are sent with the role's signature: over plain http to this machine at most. */
function isQueueUrl(value: string, inLambda: boolean): boolean {
  const url = value.length <= 1_000 ? URL.parse(value) : null;
  if (url === null || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') return false;
  if (!url.pathname.endsWith('.fifo')) return false;
  return url.protocol === 'https:' || (!inLambda && url.protocol === 'http:' && isLoopback(url.hostname));
}

function isLoopback(hostname: string): boolean {
  return hostname === '127.0.0.1' || hostname === 'localhost';
}

function isRoleArn(value: string): boolean {
  return /^arn:[a-z-]{1,30}:iam::\d{12}:role\/[\w+=,.@/-]{1,600}$/.test(value);
}

function isKeyId(value: string): boolean {
  return /^(arn:[a-z-]{1,30}:kms:[a-z0-9-]{1,30}:\d{12}:(key|alias)\/|alias\/)?[\w/-]{1,256}$/.test(value);
}

/** One sentence for each thing that is wrong with entries of a list, with their places, counted from 1. */
async function hostProblems(
  name: string,
  entries: readonly string[],
  standard: readonly string[],
  inLambda: boolean,
): Promise<string[]> {
  const unreadable: number[] = [];
  const local: number[] = [];
  const tooWide: number[] = [];
  for (const [index, text] of entries.entries()) {
    const entry = hostEntry(text);
    if (entry === undefined) unreadable.push(index + 1);
    else if (entry.kind === 'loopback' && inLambda) local.push(index + 1);
    else if (entry.kind === 'star' && !standard.includes(text) && (await isPublicSuffix(entry.domain)))
      tooWide.push(index + 1);
  }
  const said = (places: number[], what: string) =>
    places.length === 0 ? [] : [`${entriesAt(places)} of ${name} ${places.length === 1 ? 'is' : 'are'} ${what}`];
  return [
    ...said(unreadable, 'not a host such as *.my.salesforce.com'),
    ...said(local, 'a local stand-in, and there is none in Lambda'),
    ...said(tooWide, 'a star before a public suffix, below which anybody may register'),
  ];
}

/** Such as `entry 3`, or `entries 1, 2, 3, 4, 5 and 12 more`. */
function entriesAt(places: readonly number[]): string {
  return `${places.length === 1 ? 'entry' : 'entries'} ${enumerated(places.map(String))}`;
}

/**
 * Whether anybody may register a name directly below the domain, as with `co.uk`: the ICANN part of the Public Suffix List says so.
 *
 * Loaded for entries beyond the defaults alone: reading the list takes as long as ten milliseconds of a cold start.
 */
async function isPublicSuffix(domain: string): Promise<boolean> {
  const { getPublicSuffix } = await import('tldts-icann');
  // A star stands for several labels: below some domains, such as kobe.jp, every name is a suffix.
  return getPublicSuffix(domain) === domain || (getPublicSuffix(`a.b.${domain}`)?.length ?? 0) > domain.length;
}

/** A prefix that begins another would take the other's secrets for its own, and ours would be served as connections. */
function checkPrefixes({ secretPrefix, tokenPrefix, clientSecretPrefix }: Settings, problems: string[]): void {
  const prefixes = [
    ['SECRET_PREFIX', secretPrefix],
    ['TOKEN_PREFIX', tokenPrefix],
    ['CLIENT_SECRET_PREFIX', clientSecretPrefix],
  ] as const;
  const valid = prefixes.filter(([, prefix]) => isSecretPrefix(prefix));
  for (const [name, prefix] of valid) {
    for (const [other, longer] of valid) {
      if (name !== other && longer.startsWith(prefix))
        problems.push(`${name} begins ${other}: their secrets could not be told apart`);
    }
  }
}
