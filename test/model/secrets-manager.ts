import { type Call, OK, ok, refusal } from './calls.ts';
import type { Applied, Sender } from './sender.ts';
import { versionAnswer, versionBy, type World } from './world.ts';

/** The token secret, by the rules of Secrets Manager. `undefined` where the call is none of its. */
export function atSecretsManager(world: World, call: Call, sender: Sender): Applied | undefined {
  switch (call.op) {
    case 'current':
      return { world, answer: ok(versionAnswer(world, versionBy(world, world.stages['AWSCURRENT']))) };
    case 'version':
      return { world, answer: ok(versionAnswer(world, versionBy(world, call.versionId))) };
    case 'stages':
      return { world, answer: ok(world.stages) };
    case 'youngVersions':
      return {
        world,
        answer: ok(world.versions.filter(({ createdAt }) => createdAt > world.time - 86_400_000).length),
      };
    case 'create': {
      if (!world.secretExists)
        return { world: added({ ...world, secretExists: true }, call, ['AWSCURRENT']), answer: ok('put') };
      const same = versionBy(world, call.versionId)?.value === call.value;
      return { world, answer: ok(same ? 'put' : 'exists') };
    }
    case 'put':
      return put(world, call, sender);
    case 'moveStage':
      return move(world, call);
    default:
      return undefined;
  }
}

function put(world: World, call: Extract<Call, { op: 'put' }>, sender: Sender): Applied {
  if (!world.secretExists) return { world, answer: refusal('SECRET_NOT_FOUND') };
  const same = versionBy(world, call.versionId);
  // The same request again is taken for the one that was made; another one under its id is refused.
  if (same !== undefined) return { world, answer: ok(same.value === call.value ? 'put' : 'exists') };
  const asked = call.stages ?? ['AWSCURRENT'];
  // The first version of a secret is current, whatever was asked for.
  const stages = world.versions.length === 0 ? [...asked, 'AWSCURRENT'] : asked;
  const next = added(world, call, stages);
  if (!asked.includes('REFRESH_LEASE')) return { world: next, answer: ok('put') };
  const { lease } = world;
  const violation =
    lease !== undefined && !lease.isReleased && lease.until > world.time && lease.owner !== sender.run
      ? 'two leases hold at once'
      : undefined;
  const seen = { versionId: call.versionId, owner: sender.run, until: sender.until, isReleased: false };
  return { world: { ...next, lease: seen }, answer: ok('put'), violation };
}

function added(world: World, call: { versionId: string; value: string }, labels: readonly string[]): World {
  const version = { id: call.versionId, value: call.value, createdAt: world.time };
  const stages: Record<string, string> = { ...world.stages };
  for (const label of labels) {
    if (label === 'AWSCURRENT' && stages['AWSCURRENT'] !== undefined) stages['AWSPREVIOUS'] = stages['AWSCURRENT'];
    stages[label] = call.versionId;
  }
  return { ...world, versions: [...world.versions, version], stages };
}

function move(world: World, { stage, from, to }: Extract<Call, { op: 'moveStage' }>): Applied {
  // The adapter asks nothing then.
  if (from === to) return { world, answer: OK };
  // Secrets Manager wants to be told which version loses the label, and refuses where that one does not carry it.
  if (world.stages[stage] !== from) return { world, answer: refusal('SECRETS_UNAVAILABLE') };
  const stages: Record<string, string> = { ...world.stages };
  if (to === undefined) delete stages[stage];
  else stages[stage] = to;
  const { lease } = world;
  const isReleased = lease !== undefined && stage === 'REFRESH_RELEASED' && to === lease.versionId;
  return { world: { ...world, stages, ...(isReleased ? { lease: { ...lease, isReleased } } : {}) }, answer: OK };
}
