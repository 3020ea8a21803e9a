import { RefreshError } from './errors.ts';
import type { Secrets } from './ports.ts';
import { type Refreshed, refresh, type Served, shown } from './refresh.ts';
import type { Run } from './run.ts';
import { profileShared, type RefreshPorts, type RefreshRules, type Target } from './serving.ts';
import { targetOf } from './targets.ts';

/** Secrets described at once. */
const AT_ONCE = 10;

/**
 * Refreshes connections that a person named: due or not does not matter. Their tags are read without the listing's lag; the listing only
 * tells whether another secret claims the same profile.
 */
export async function refreshByHand(
  names: readonly string[],
  dryRun: boolean,
  rules: RefreshRules & { readonly refreshIntervalSeconds: number },
  ports: RefreshPorts,
  run: Run,
): Promise<Refreshed> {
  const unique = [...new Set(names)];
  const found = new Map<string, Target | RefreshError>();
  for (let at = 0; at < unique.length; at += AT_ONCE) {
    const some = unique.slice(at, at + AT_ONCE);
    const answers = await Promise.all(
      some.map((name) =>
        orError(async () =>
          targetOf(
            await ports.secrets.describe(rules.secretPrefix + name, run),
            rules.secretPrefix,
            rules.refreshIntervalSeconds,
          ),
        ),
      ),
    );
    some.forEach((name, index) => {
      const answer = answers[index];
      if (answer !== undefined) found.set(name, answer);
    });
  }
  const claims = await orError(() => claimants(ports.secrets, rules, run));
  const targets: Target[] = [];
  const served = new Map<string, Served>();
  for (const [name, target] of found) {
    if (target instanceof RefreshError) served.set(name, failed(name, name, target));
    else if (claims instanceof RefreshError) served.set(name, failed(name, target.connectorProfileName, claims));
    else {
      const others = (claims.get(target.connectorProfileName) ?? []).flatMap(({ connection }) =>
        connection === name ? [] : [connection],
      );
      if (others.length === 0) targets.push(target);
      else
        served.set(
          name,
          failed(name, target.connectorProfileName, profileShared(target.connectorProfileName, [name, ...others])),
        );
    }
  }
  const refreshed = await refresh(targets, dryRun, rules, ports, run);
  for (const one of refreshed.served) served.set(one.report.connection, one);
  return { served: unique.flatMap((name) => served.get(name) ?? []), bugs: refreshed.bugs };
}

/** Which connections claim which profile, by the tags of all of them. A secret whose tags are wrong claims none. */
export async function claimants(
  secrets: Pick<Secrets, 'list'>,
  rules: { readonly secretPrefix: string; readonly refreshIntervalSeconds: number },
  run: Run,
): Promise<Map<string, Target[]>> {
  const claims = new Map<string, Target[]>();
  for (const secret of await secrets.list(rules.secretPrefix, run)) {
    const target = await orError(async () => targetOf(secret, rules.secretPrefix, rules.refreshIntervalSeconds));
    if (target instanceof RefreshError) continue;
    claims.set(target.connectorProfileName, [...(claims.get(target.connectorProfileName) ?? []), target]);
  }
  return claims;
}

function failed(connection: string, connectorProfileName: string, error: RefreshError): Served {
  return { report: { connection, connectorProfileName, outcome: 'failed', error: shown(error) }, error };
}

async function orError<T>(get: () => Promise<T>): Promise<T | RefreshError> {
  try {
    return await get();
  } catch (error) {
    if (error instanceof RefreshError) return error;
    throw error;
  }
}
