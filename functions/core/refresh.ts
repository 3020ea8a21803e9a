import { emptyEscrow, serveAuthorizationCode, storedTokens } from './authorization-code.ts';
import { type AuthorizationCodeConnection, type Connection, type HandOver, parseConnection } from './connection.ts';
import type { Credentials, GrantType } from './credentials.ts';
import { CredentialsRefused, RefreshError } from './errors.ts';
import { obtainByClientCredentials, obtainByJwt } from './obtain.ts';
import type { Obtained } from './ports.ts';
import { knownToRotate } from './rotation.ts';
import type { Run } from './run.ts';
import {
  checked,
  checkedProfile,
  currentValue,
  type RefreshPorts,
  type RefreshRules,
  type Serving,
  type Shared,
  type Target,
} from './serving.ts';

/** What became of one connection, in the shape that callers see. Holds no secret. */
export interface ConnectionReport {
  readonly connection: string;
  readonly connectorProfileName: string;
  /** Absent where the secret could not be read. */
  readonly grantType?: GrantType;
  readonly handOver?: HandOver;
  readonly outcome: 'refreshed' | 'would-refresh' | 'up-to-date' | 'in-progress' | 'failed';
  /** ISO 8601; null where Salesforce does not say. Present where something was, or would be, handed over. */
  readonly validUntil?: string | null;
  readonly error?: {
    readonly code: string;
    readonly retryable: boolean;
    readonly message: string;
    readonly hint: string;
  };
}

/** A report and, where it failed, the error behind it, for the log. */
export interface Served {
  readonly report: ConnectionReport;
  readonly error?: RefreshError;
}

/** What became of several connections. */
export interface Refreshed {
  /** In the order asked for. */
  readonly served: readonly Served[];
  /** Connections that ran into a bug of ours, with what was thrown: of them there is no report. */
  readonly bugs: readonly { readonly connection: string; readonly error: unknown }[];
}

/** What callers see of an error. */
export function shown({ code, retryable, message, hint }: RefreshError): NonNullable<ConnectionReport['error']> {
  return { code, retryable, message, hint };
}

/** Connections served at once. No call rate of AppFlow's is published, so it is kept modest. */
const AT_ONCE = 10;

/**
 * Refreshes connections: reads what they share in as few calls as possible, then serves each on its own. One that fails neither
 * stops nor delays another.
 *
 * @param dryRun does all that changes nothing: no exchange of a refresh token or code, no update
 */
export async function refresh(
  targets: readonly Target[],
  dryRun: boolean,
  rules: RefreshRules,
  ports: RefreshPorts,
  run: Run,
): Promise<Refreshed> {
  if (targets.length === 0) return { served: [], bugs: [] };
  const shared = await readShared(targets, rules, ports, run);
  const profilesSeen = new Map<string, number>();
  for (const { connectorProfileName } of targets)
    profilesSeen.set(connectorProfileName, (profilesSeen.get(connectorProfileName) ?? 0) + 1);

  const served: (Served | undefined)[] = [];
  const bugs: { connection: string; error: unknown }[] = [];
  const rest = targets.map((target, index) => ({ target, index }));
  const worker = async () => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
      const { target, index } = next;
      try {
        const isShared = (profilesSeen.get(target.connectorProfileName) ?? 0) > 1;
        served[index] = await serve(target, isShared, dryRun, shared, rules, ports, run);
      } catch (error) {
        bugs.push({ connection: target.connection, error });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { served: served.filter((one) => one !== undefined), bugs };
}

async function readShared(
  targets: readonly Target[],
  rules: RefreshRules,
  { appflow, secrets }: RefreshPorts,
  run: Run,
): Promise<Shared> {
  const names = targets.flatMap(({ connection }) => [rules.secretPrefix + connection, rules.tokenPrefix + connection]);
  let grants: Promise<ReadonlySet<string> | undefined> | undefined;
  const supportedGrants = () => {
    grants ??= appflow.supportedGrants(run);
    return grants;
  };
  try {
    const [values, profiles] = await Promise.all([
      secrets.values(names, run),
      appflow.profiles([...new Set(targets.map((target) => target.connectorProfileName))], run),
    ]);
    return { secrets: values, profiles, supportedGrants };
  } catch (error) {
    if (!(error instanceof RefreshError)) throw error;
    return { secrets: new Map(), profiles: new Map(), supportedGrants, failure: error };
  }
}

async function serve(
  target: Target,
  isShared: boolean,
  dryRun: boolean,
  shared: Shared,
  rules: RefreshRules,
  ports: RefreshPorts,
  run: Run,
): Promise<Served> {
  const { connection: name, connectorProfileName } = target;
  let known: Pick<ConnectionReport, 'grantType' | 'handOver'> = {};
  const report = (
    rest: Omit<ConnectionReport, 'connection' | 'connectorProfileName' | 'grantType' | 'handOver'>,
  ): Served => ({
    report: { connection: name, connectorProfileName, ...known, ...rest },
  });
  try {
    if (shared.failure !== undefined) throw shared.failure;
    const connection = parseConnection(name, currentValue(shared.secrets, rules.secretPrefix + name, name), rules);
    known = { grantType: connection.grantType, handOver: connection.handOver };
    if (
      connection.grantType === 'AUTHORIZATION_CODE' &&
      knownToRotate(storedTokens(shared.secrets, rules.tokenPrefix + name))
    ) {
      known = { ...known, handOver: 'ACCESS_TOKEN' };
    }
    const profile = checkedProfile(target, isShared, shared.profiles);
    const serving: Serving = { target, profile, dryRun, shared, rules, ports, run };
    if (target.unlessUpdatedAfter !== undefined && profile.updatedAt > target.unlessUpdatedAfter) {
      if (target.isRetry === true && connection.grantType === 'AUTHORIZATION_CODE')
        await emptyEscrow(connection, serving);
      return report({ outcome: 'up-to-date' });
    }
    if (run.signal.aborted || run.now() >= run.deadline) throw late(name);
    warnOfCertificate(connection, ports, run);
    if (connection.grantType === 'AUTHORIZATION_CODE') {
      const done = await serveAuthorizationCode(connection, serving);
      if (done === 'in-progress') return report({ outcome: 'in-progress' });
      known = { ...known, handOver: done.handOver };
      return report({ outcome: dryRun ? 'would-refresh' : 'refreshed', validUntil: isoOrNull(done.validUntil) });
    }
    const obtain = () => obtainOf(connection, serving);
    const obtained = await checked(await obtain(), serving);
    if (!dryRun) await handOver(obtained.credentials, obtain, serving);
    return report({ outcome: dryRun ? 'would-refresh' : 'refreshed', validUntil: isoOrNull(obtained.validUntil) });
  } catch (error) {
    if (!(error instanceof RefreshError)) throw error;
    return { ...report({ outcome: 'failed', error: shown(error) }), error };
  }
}

function obtainOf(
  connection: Exclude<Connection, AuthorizationCodeConnection>,
  { target, shared, rules, ports, run }: Serving,
): Promise<Obtained> {
  const endpoint = ports.salesforce.tokenEndpoint(connection, rules.secretPrefix + connection.name);
  if (connection.grantType === 'CLIENT_CREDENTIALS') {
    const appflow = { supportedGrants: shared.supportedGrants };
    return obtainByClientCredentials(
      connection,
      target.intervalSeconds,
      { appflow, secrets: ports.secrets, endpoint },
      run,
    );
  }
  const timing = { intervalSeconds: target.intervalSeconds, jwtLifetimeSeconds: rules.jwtLifetimeSeconds };
  return obtainByJwt(connection, timing, { signer: ports.signer, endpoint }, run);
}

/** Hands over; where AppFlow tried the credentials in vain, once more with fresh ones. */
async function handOver(credentials: Credentials, again: () => Promise<Obtained>, serving: Serving): Promise<void> {
  try {
    await serving.profile.handOver(credentials, serving.run);
  } catch (error) {
    if (!(error instanceof CredentialsRefused)) throw error;
    const fresh = await checked(await again(), serving);
    await serving.profile.handOver(fresh.credentials, serving.run);
  }
}

const DAY = 86_400_000;
const WARN_DAYS = 30;

function warnOfCertificate(connection: Connection, { signer }: RefreshPorts, run: Run): void {
  if (connection.grantType !== 'JWT_BEARER' || connection.certificate === undefined) return;
  const end = signer.certificateEnd(connection.certificate);
  const days = Math.floor((end.getTime() - run.now()) / DAY);
  if (days > WARN_DAYS) return;
  run.warn(
    connection.name,
    `The certificate ${days < 0 ? 'ended' : 'ends'} on ${end.toISOString().slice(0, 10)}: upload a new one to the connected app and store its key as nextPrivateKey.`,
  );
}

function late(connection: string): RefreshError {
  return new RefreshError(
    'OUT_OF_TIME',
    `The function's deadline came before ${connection} was served.`,
    'Nothing to do unless it goes on: the next attempt comes by itself. If it does, ask for fewer connections at once.',
  );
}

function isoOrNull(date: Date | null): string | null {
  return date === null ? null : date.toISOString();
}
