import { versionBy, type World } from './world.ts';

/** What a stored value says, as far as it is looked at here. */
interface Kept {
  readonly refreshToken: string | undefined;
  /** In escrow: the version that it follows. */
  readonly after: string | undefined;
}

const kept = new Map<string, Kept>();

/** The refresh tokens that the next run will find: in AWSCURRENT, and in escrow where that follows AWSCURRENT. */
export function places(world: World): readonly string[] {
  const current = versionBy(world, world.stages['AWSCURRENT']);
  const found: string[] = [];
  const inStore = current === undefined ? undefined : read(current.value).refreshToken;
  if (inStore !== undefined) found.push(inStore);
  if (world.escrow === undefined) return found;
  const { after, refreshToken } = read(world.escrow);
  if (refreshToken !== undefined && after === current?.id) found.push(refreshToken);
  return found;
}

function read(value: string): Kept {
  const known = kept.get(value);
  if (known !== undefined) return known;
  const parsed: unknown = JSON.parse(value);
  const record = field(parsed, 'record') ?? parsed;
  const found = { refreshToken: text(field(record, 'refreshToken')), after: text(field(parsed, 'after')) };
  kept.set(value, found);
  return found;
}

function field(of: unknown, key: string): unknown {
  return typeof of === 'object' && of !== null ? Object.entries(of).find(([name]) => name === key)?.[1] : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
