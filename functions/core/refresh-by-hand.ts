import { belonging } from './connection/belonging.ts';
import { type ListedTarget, listedTargets, targetOf } from './connection/target.ts';
import type { Context } from './context.ts';
import { orRefreshError, RefreshError } from './errors.ts';
import { refresh } from './refresh.ts';
import { failed, type Refreshed, type Served } from './report.ts';

/** Secrets described at once. */
const AT_ONCE = 10;

/**
 * Refreshes connections that a person named: due or not does not matter. Their tags are read without the listing's lag; the listing only
 * tells whether another secret names the same profile.
 */
export async function refreshByHand(names: readonly string[], dryRun: boolean, context: Context): Promise<Refreshed> {
  const unique = [...new Set(names)];
  const served = new Map<string, Served>();
  const targets: ListedTarget[] = [];
  for (const [name, target] of await describeAll(unique, context)) {
    if (target instanceof RefreshError)
      served.set(name, failed({ connection: name, connectorProfileName: name }, target));
    else targets.push(target);
  }
  const others = await orRefreshError(() => listedTargets(context));
  if (others instanceof RefreshError) {
    for (const { connection, connectorProfileName } of targets)
      served.set(connection, failed({ connection, connectorProfileName }, others));
    return { served: unique.flatMap((name) => served.get(name) ?? []), bugs: [] };
  }
  // One that could not be described still owns its profile: the listing knows it.
  const described = new Set(targets.map(({ connection }) => connection));
  const belongs = belonging([...targets, ...others.filter(({ connection }) => !described.has(connection))]);
  const refreshed = await refresh({ targets, dryRun, belongs }, context);
  for (const one of refreshed.served) served.set(one.report.connection, one);
  return { served: unique.flatMap((name) => served.get(name) ?? []), bugs: refreshed.bugs };
}

async function describeAll(
  names: readonly string[],
  { rules, ports, run }: Context,
): Promise<[string, ListedTarget | RefreshError][]> {
  const found: [string, ListedTarget | RefreshError][] = [];
  const describe = async (name: string): Promise<[string, ListedTarget | RefreshError]> => [
    name,
    await orRefreshError(async () => targetOf(await ports.secrets.describe(rules.secretPrefix + name, run), rules)),
  ];
  for (let at = 0; at < names.length; at += AT_ONCE)
    found.push(...(await Promise.all(names.slice(at, at + AT_ONCE).map(describe))));
  return found;
}
