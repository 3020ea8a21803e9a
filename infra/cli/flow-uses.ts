import { RefreshError } from '../../functions/core/errors.ts';
import type { FlowUse } from '../../functions/core/ports.ts';
import { note } from './output.ts';
import { orError, type Session } from './session.ts';
import type { Surveyed } from './survey.ts';

/**
 * The flows that read or write through the profile of each connection: what stops where it fails. They are told besides, so that not being allowed
 * to list them is a line on stderr and no failure.
 *
 * @returns `undefined` where they could not be read
 */
export async function flowUsesOf(
  session: Session,
  connections: readonly Surveyed[],
): Promise<((surveyed: Surveyed) => readonly FlowUse[]) | undefined> {
  const names = connections.flatMap((surveyed) => profileOf(surveyed) ?? []);
  const uses = await orError(() => session.ports.flows.flowsOf(names, session.run()));
  if (uses instanceof RefreshError) {
    note`The flows could not be read: ${uses.code}: ${uses.message}`;
    return undefined;
  }
  return (surveyed) => uses.get(profileOf(surveyed) ?? '') ?? [];
}

/** Such as `nightly (Scheduled rate(1hours)), orders (Event)`. */
export function shownFlows(flows: readonly FlowUse[]): string {
  if (flows.length === 0) return 'no flow uses this profile';
  return flows.map(({ flowName, trigger }) => `${flowName} (${trigger})`).join(', ');
}

function profileOf({ target }: Surveyed): string | undefined {
  return target === undefined || target instanceof RefreshError ? undefined : target.connectorProfileName;
}
