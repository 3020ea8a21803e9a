/** The versions of one secret and the staging labels that move between them, by the rules that Secrets Manager publishes. */
import { errorOf } from '../wire/replies.ts';

export const invalidParameter = errorOf('InvalidParameterException');
const limitExceeded = errorOf('LimitExceededException');
export const exists = errorOf('ResourceExistsException');
export const missing = errorOf('ResourceNotFoundException');

export interface SecretVersion {
  readonly id: string;
  /** A version that a rotation has made, but not yet filled, has none. */
  value: string | undefined;
  readonly stages: Set<string>;
  readonly createdAt: Date;
}

/** Insertion order is age. */
export type SecretVersions = Map<string, SecretVersion>;

const DAY = 24 * 3600 * 1000;
const MAX_VERSIONS = 100;
/** Both for one version (its shape) and for all versions of a secret together (a quota). */
const MAX_LABELS = 20;

export function versionWith(versions: SecretVersions, stage: string): SecretVersion | undefined {
  return [...versions.values()].find((version) => version.stages.has(stage));
}

/**
 * Puts `value` as version `id`. The same id and value again change nothing, not even labels; another value is refused.
 * A rotation's empty version is filled. The first version of a secret becomes AWSCURRENT whatever labels it is given.
 */
export function putVersion(
  versions: SecretVersions,
  put: { readonly id: string; readonly value: string; readonly stages: readonly string[]; readonly now: Date },
): { readonly version: SecretVersion; readonly changed: boolean } {
  const existing = versions.get(put.id);
  if (existing?.value !== undefined) {
    if (existing.value === put.value) return { version: existing, changed: false };
    throw exists(
      `You can't use ClientRequestToken ${put.id} because that value is already in use for a version of this secret.`,
    );
  }
  const stages = versions.size === 0 ? new Set([...put.stages, 'AWSCURRENT']) : new Set(put.stages);
  if (existing === undefined) makeRoom(versions, put.now);
  const version = existing ?? { id: put.id, value: undefined, stages: new Set<string>(), createdAt: put.now };
  const labels = new Set([...versions.values()].flatMap(({ stages: held }) => [...held]));
  if (new Set([...labels, ...stages]).size > MAX_LABELS) {
    throw limitExceeded(`A secret can't have more than ${MAX_LABELS} staging labels.`);
  }
  version.value = put.value;
  versions.set(put.id, version);
  for (const stage of stages) moveStage(versions, stage, version);
  return { version, changed: true };
}

/** The empty version that a rotation starts with. */
export function addPending(versions: SecretVersions, id: string, now: Date): SecretVersion {
  makeRoom(versions, now);
  const version: SecretVersion = { id, value: undefined, stages: new Set(), createdAt: now };
  versions.set(id, version);
  moveStage(versions, 'AWSPENDING', version);
  return version;
}

/**
 * UpdateSecretVersionStage. A label that sits elsewhere moves only if the caller names the version that it sits on, which
 * makes the call a compare-and-swap.
 */
export function updateStage(
  versions: SecretVersions,
  stage: string,
  removeFrom: string | undefined,
  moveTo: string | undefined,
): void {
  const holder = versionWith(versions, stage);
  for (const id of [removeFrom, moveTo]) {
    if (id !== undefined && !versions.has(id)) {
      throw missing("Secrets Manager can't find the specified secret version.");
    }
  }
  if (moveTo === undefined) {
    if (removeFrom === undefined) {
      throw invalidParameter('You must specify at least one of RemoveFromVersionId and MoveToVersionId.');
    }
    if (stage === 'AWSCURRENT') {
      throw invalidParameter(
        "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
      );
    }
    if (holder?.id !== removeFrom)
      throw invalidParameter(`Staging label ${stage} is not attached to version ${removeFrom}.`);
    holder.stages.delete(stage);
    return;
  }
  const target = versions.get(moveTo);
  if (target === undefined || holder?.id === moveTo) return;
  if (holder !== undefined && removeFrom === undefined) {
    throw invalidParameter(
      `The parameter RemoveFromVersionId can't be empty. Staging label ${stage} is currently attached to version ${holder.id}, so you must explicitly reference that version in RemoveFromVersionId.`,
    );
  }
  if (removeFrom !== undefined && holder?.id !== removeFrom) {
    throw invalidParameter(
      `When you move staging label ${stage}, if you specify RemoveFromVersionId, it must be set to the version that currently has the staging label ${stage}.`,
    );
  }
  if (target.stages.size >= MAX_LABELS) {
    throw limitExceeded(`A version can't have more than ${MAX_LABELS} staging labels.`);
  }
  moveStage(versions, stage, target);
}

/** AWSPREVIOUS follows to where AWSCURRENT came from. */
function moveStage(versions: SecretVersions, stage: string, target: SecretVersion): void {
  const holder = versionWith(versions, stage);
  if (holder === target) return;
  holder?.stages.delete(stage);
  target.stages.add(stage);
  if (stage !== 'AWSCURRENT' || holder === undefined) return;
  versionWith(versions, 'AWSPREVIOUS')?.stages.delete('AWSPREVIOUS');
  holder.stages.add('AWSPREVIOUS');
}

/** Only versions without a label and older than a day are ever dropped; if none is, the secret is full. */
function makeRoom(versions: SecretVersions, now: Date): void {
  for (const version of [...versions.values()]) {
    if (versions.size < MAX_VERSIONS) return;
    if (version.stages.size === 0 && now.getTime() - version.createdAt.getTime() > DAY) versions.delete(version.id);
  }
  if (versions.size < MAX_VERSIONS) return;
  throw limitExceeded(`You can't have more than ${MAX_VERSIONS} versions of a secret.`);
}
