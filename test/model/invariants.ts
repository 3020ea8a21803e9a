import type { State } from './state.ts';
import { places } from './tokens.ts';
import { familyOf, refreshToken } from './world.ts';

/** Which promise a state breaks by itself. Those that a single call breaks are seen where the call is served. */
export function broken({ world, runs }: State): string | undefined {
  for (const { history, name } of runs)
    if (history.outcome?.startsWith('bug') === true)
      return `${name} threw what is no error of ours: ${history.outcome}`;
  const family = familyOf(world, world.seed);
  // The seed itself lies in the operator's secret.
  if (family.live === 0 || family.isLost || !family.isAlive) return undefined;
  const live = refreshToken(world.seed, family.live);
  if (runs.some(({ status, received }) => status === 'live' && received === live)) return undefined;
  if (family.saved < family.live) return undefined;
  return places(world).includes(live) ? undefined : `the live refresh token ${live} is nowhere any more`;
}
