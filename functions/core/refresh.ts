import { type Belonging, checkBinding, profileFor } from './connection/belonging.ts';
import { parseConnection } from './connection/parse-connection.ts';
import type { Target } from './connection/target.ts';
import type { Context } from './context.ts';
import { orRefreshError, RefreshError } from './errors.ts';
import type { Grant, Read } from './grants/grant.ts';
import { grantOf } from './grants/grant-of.ts';
import { handOver } from './hand-over.ts';
import type { Profile } from './ports.ts';
import { failed, type Known, type Refreshed, type Served } from './report.ts';

/** Which connections somebody wants refreshed. */
export interface Ask {
  readonly targets: readonly Target[];
  /** Does all that changes nothing: no exchange of a refresh token or code, no update. */
  readonly dryRun: boolean;
  /** Which connection each profile belongs to; of what `dispatch` sent it has been decided already. */
  readonly belongs?: Belonging;
}

/** What the connections of one run share: the reads that serve all of them. */
interface Gathered {
  readonly secrets: ReadonlyMap<string, Read>;
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly belongs: Belonging;
  readonly supportedGrants: () => Promise<ReadonlySet<string> | undefined>;
}

/** What to do with one connection. */
type Decision =
  | { readonly verdict: 'refresh' | 'leave'; readonly grant: Grant; readonly profile: Profile }
  | { readonly verdict: 'fail'; readonly error: RefreshError; readonly grant: Grant | undefined };

/** Connections served at once. No call rate of AppFlow's is published, so it is kept modest. */
const AT_ONCE = 10;

/**
 * Refreshes connections: gathers what they share in as few calls as possible, then serves each on its own. One that fails neither
 * stops nor delays another.
 */
export async function refresh(ask: Ask, context: Context): Promise<Refreshed> {
  const { targets, dryRun } = ask;
  if (targets.length === 0) return { served: [], bugs: [] };
  const gathered = await orRefreshError(() => gather(ask, context));

  const served: (Served | undefined)[] = [];
  const bugs: { connection: string; error: unknown }[] = [];
  const rest = targets.entries();
  const worker = async () => {
    for (const [index, target] of rest) {
      try {
        served[index] =
          gathered instanceof RefreshError
            ? failed(named(target), gathered)
            : { ...(await serve(target, dryRun, gathered, context)), ...askedOf(target, gathered) };
      } catch (error) {
        bugs.push({ connection: target.connection, error });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { served: served.filter((one) => one !== undefined), bugs };
}

/** Reads secrets and profiles of all targets at once. */
async function gather({ targets, belongs }: Ask, { rules, ports, run }: Context): Promise<Gathered> {
  const names = targets.flatMap(({ connection }) => [rules.secretPrefix + connection, rules.tokenPrefix + connection]);
  const profileNames = [...new Set(targets.map(({ connectorProfileName }) => connectorProfileName))];
  const [values, profiles] = await Promise.all([
    orRefreshError(() => ports.secrets.values(names, run)),
    ports.appflow.profiles(profileNames, run),
  ]);
  // The profiles' dates say whether somebody must be told, so they are worth having also without the secrets.
  const secrets: Gathered['secrets'] =
    values instanceof RefreshError ? new Map(names.map((name) => [name, values])) : values;
  let grants: Promise<ReadonlySet<string> | undefined> | undefined;
  return {
    secrets,
    profiles,
    belongs: belongs ?? new Map(),
    supportedGrants() {
      grants ??= ports.appflow.supportedGrants(run);
      return grants;
    },
  };
}

function askedOf(target: Target, { profiles }: Gathered): Pick<Served, 'asked'> {
  const profile = profiles.get(target.connectorProfileName);
  return profile === undefined ? {} : { asked: { target, profile } };
}

/** Decide, obtain, hand over. */
async function serve(target: Target, dryRun: boolean, gathered: Gathered, context: Context): Promise<Served> {
  const decision = decide(target, gathered, context);
  const tokenSecret = gathered.secrets.get(context.rules.tokenPrefix + target.connection);
  let known: Known = named(target);
  try {
    if (decision.grant !== undefined) {
      const { connection, handOver: terms } = decision.grant;
      known = { ...known, grantType: connection.grantType, handOver: terms(tokenSecret) };
    }
    if (decision.verdict === 'fail') throw decision.error;
    const { verdict, grant, profile } = decision;
    const { supportedGrants } = gathered;
    const serving = { ...context, target, profile, dryRun, tokenSecret, supportedGrants };
    if (verdict === 'leave') {
      await grant.finish(serving);
      return { report: { ...known, outcome: 'up-to-date' } };
    }
    const obtained = await grant.obtain(serving, (ready) => handOver(ready, serving));
    if (obtained === 'in-progress') return { report: { ...known, outcome: 'in-progress' } };
    const outcome = dryRun ? 'would-refresh' : 'refreshed';
    const validUntil = obtained.validUntil?.toISOString() ?? null;
    return { report: { ...known, handOver: obtained.handOver, outcome, validUntil } };
  } catch (error) {
    if (!(error instanceof RefreshError)) throw error;
    return failed(known, error);
  }
}

/** What to do with a connection, from what was gathered and the clock alone. */
function decide(target: Target, gathered: Gathered, { rules, ports, run }: Context): Decision {
  const { connection: name, unlessUpdatedAfter } = target;
  let grant: Grant | undefined;
  try {
    // Is there a secret, and does it say how to get credentials?
    const secret = secretOf(name, rules.secretPrefix, gathered);
    grant = grantOf(parseConnection(name, secret.value, rules, ports.signer));
    // Is it for this profile? Is the profile there, this connection's, and where it should be?
    checkBinding(grant.connection, target, rules);
    const profile = profileFor(target, gathered.belongs, gathered.profiles, rules);
    // Has somebody been quicker?
    if (unlessUpdatedAfter !== undefined && profile.updatedAt > unlessUpdatedAfter)
      return { verdict: 'leave', grant, profile };
    // Is there time?
    if (run.signal.aborted || run.now() >= run.deadline) return { verdict: 'fail', error: late(name), grant };
    return { verdict: 'refresh', grant, profile };
  } catch (error) {
    if (!(error instanceof RefreshError)) throw error;
    return { verdict: 'fail', error, grant };
  }
}

function secretOf(name: string, secretPrefix: string, { secrets }: Gathered) {
  const secretName = secretPrefix + name;
  const found = secrets.get(secretName);
  if (found instanceof RefreshError) throw found;
  if (found !== undefined) return found;
  throw new RefreshError(
    'SECRET_NOT_FOUND',
    `There is no secret ${secretName}, or it has no current value.`,
    `Create the secret ${secretName} for ${name} in this Region, or correct the name of the connection.`,
  );
}

function named({ connection, connectorProfileName }: Target): Known {
  return { connection, connectorProfileName };
}

function late(connection: string): RefreshError {
  return new RefreshError('OUT_OF_TIME', `The function's deadline came before ${connection} was served.`, {
    kind: 'wait',
    ifItDoes: 'If it does, ask for fewer connections at once.',
  });
}
