import { NAME, RULES, type VersionAnswer } from './ports.ts';
import { BASE } from './programs.ts';

/** One version in the token secret. */
export interface Version {
  readonly id: string;
  readonly value: string;
  readonly createdAt: number;
}

/** The tokens that come from one seed. Refresh tokens are `r<family>.<n>`, access tokens `a<n>.<family>` with n counted over all families. */
export interface Family {
  /** The refresh token that works is the n-th; the seed is number 0. */
  readonly live: number;
  readonly isAlive: boolean;
  /** The last token that a store or escrow took. */
  readonly saved: number;
  /** The window took its token: nothing can be held against the code any more. */
  readonly isLost: boolean;
}

/** The last lease that was put, and by whom: to see that no two hold at once. */
export interface LeaseSeen {
  readonly versionId: string;
  readonly owner: number;
  /** The server time until which it vouches for its owner and for the owner's late requests. */
  readonly until: number;
  readonly isReleased: boolean;
}

/** Everything outside the runs. Never changed in place. Times are milliseconds since BASE by the one clock of the servers. */
export interface World {
  readonly time: number;
  readonly rotates: boolean;
  readonly secretExists: boolean;
  readonly versions: readonly Version[];
  readonly stages: Readonly<Record<string, string>>;
  readonly escrow: string | undefined;
  /** Whether the seeds are authorization codes. */
  readonly isCode: boolean;
  readonly seed: number;
  readonly seedChangedAt: number;
  readonly families: readonly Family[];
  readonly issued: number;
  readonly profile: { readonly access: string; readonly refresh: string | undefined; readonly updatedAt: number };
  readonly profileCreatedAt: number;
  readonly lease: LeaseSeen | undefined;
}

const FRESH: Family = { live: 0, isAlive: true, saved: 0, isLost: false };

/** A connection that was due an hour ago and was never refreshed by us. */
export function newWorld(options: { rotates: boolean; isCode?: boolean; secretExists?: boolean }): World {
  return {
    time: 0,
    rotates: options.rotates,
    secretExists: options.secretExists ?? false,
    versions: [],
    stages: {},
    escrow: undefined,
    isCode: options.isCode ?? false,
    seed: 0,
    seedChangedAt: -7_200_000,
    families: [FRESH],
    issued: 0,
    profile: { access: 'a0.0', refresh: undefined, updatedAt: -7_100_000 },
    profileCreatedAt: -7_200_000,
    lease: undefined,
  };
}

/** A person authorises the app again and stores what they were given. */
export function reseeded(world: World): World {
  const seed = world.families.length;
  return { ...world, seed, seedChangedAt: world.time, families: [...world.families, FRESH] };
}

export function refreshToken(family: number, n: number): string {
  return `r${family}.${n}`;
}

/** Family and number of a refresh token. */
export function partsOf(token: string): { family: number; n: number } {
  const [family, n] = token.slice(1).split('.').map(Number);
  if (family === undefined || n === undefined) throw new Error(`${token} is no token of this world.`);
  return { family, n };
}

/** Number and family of an access token. */
export function issueOf(access: string): { n: number; family: number } {
  const [n, family] = access.slice(1).split('.').map(Number);
  if (family === undefined || n === undefined) throw new Error(`${access} is no token of this world.`);
  return { n, family };
}

export function familyOf(world: World, index: number): Family {
  const family = world.families[index];
  if (family === undefined) throw new Error(`There is no family ${index}.`);
  return family;
}

export function withFamily(world: World, index: number, change: Partial<Family>): World {
  return { ...world, families: world.families.map((one, at) => (at === index ? { ...one, ...change } : one)) };
}

export function versionBy(world: World, id: string | undefined): Version | undefined {
  return id === undefined ? undefined : world.versions.find((version) => version.id === id);
}

/** What the `Date` header of an answer says: whole seconds. */
function dateHeader(world: World): number {
  return Math.floor((BASE + world.time) / 1000) * 1000;
}

export function versionAnswer(world: World, version: Version | undefined): VersionAnswer | null {
  if (version === undefined) return null;
  const { id, value, createdAt } = version;
  return { versionId: id, value, createdAt: BASE + createdAt, readAt: dateHeader(world) };
}

export function operatorsSecret(world: World): VersionAnswer {
  const { seed, isCode } = world;
  const token = refreshToken(seed, 0);
  const seeded = isCode
    ? { oAuthRequest: { authCode: token, redirectUri: 'https://example.com/callback' } }
    : { refreshToken: token };
  const value = JSON.stringify({ grantType: 'AUTHORIZATION_CODE', clientId: RULES.secretPrefix + NAME, ...seeded });
  const createdAt = BASE + world.seedChangedAt;
  return { versionId: `seed-${seed}`, value, createdAt, readAt: dateHeader(world) };
}

/** Texts by a small number each, so that states can be compared by their numbers. */
const numbers = new Map<string, number>();
export function numberOf(text: string): number {
  const known = numbers.get(text);
  if (known !== undefined) return known;
  numbers.set(text, numbers.size + 1);
  return numbers.size;
}

const keyOfVersion = new WeakMap<Version, number>();
function versionKey(version: Version): number {
  let key = keyOfVersion.get(version);
  if (key === undefined) {
    key = numberOf(`${version.id} ${version.createdAt} ${version.value}`);
    keyOfVersion.set(version, key);
  }
  return key;
}

const keyOfWorld = new WeakMap<World, string>();
/** What tells two worlds apart. */
export function worldKey(world: World): string {
  const known = keyOfWorld.get(world);
  if (known !== undefined) return known;
  let versions = '';
  for (const version of world.versions) versions += `${versionKey(version)},`;
  let families = '';
  for (const { live, isAlive, saved, isLost } of world.families)
    families += `${live}.${saved}${isAlive ? 'a' : 'd'}${isLost ? 'l' : ''},`;
  let stages = '';
  for (const label of ['AWSCURRENT', 'AWSPREVIOUS', 'AWSPENDING', 'REFRESH_LEASE', 'REFRESH_RELEASED'])
    stages += `${world.stages[label] ?? ''},`;
  const { time, escrow, seed, seedChangedAt, issued, profile, lease } = world;
  const key = `${time}|${versions}|${numberOf(stages)}|${escrow === undefined ? 0 : numberOf(escrow)}|${seed}.${seedChangedAt}|${families}|${issued}|${profile.access}.${profile.refresh}.${profile.updatedAt}|${lease === undefined ? '' : `${lease.owner}.${lease.until}.${lease.isReleased}`}|${world.secretExists}`;
  keyOfWorld.set(world, key);
  return key;
}
