import { type Call, OK, ok, refusal } from './calls.ts';
import { BASE } from './programs.ts';
import { atSecretsManager } from './secrets-manager.ts';
import type { Applied, Sender } from './sender.ts';
import { places } from './tokens.ts';
import {
  familyOf,
  issueOf,
  operatorsSecret,
  partsOf,
  refreshToken,
  versionAnswer,
  versionBy,
  type World,
  withFamily,
} from './world.ts';

/** Lets the services do what a request asks for. Whatever they store of a refresh token is noted: it has left the window. */
export function applied(world: World, call: Call, sender: Sender): Applied {
  const done = serve(world, call, sender);
  // Whatever is stored is older by a millisecond than the hand-over that comes after it.
  if (call.op === 'handOver') return { ...done, world: { ...done.world, time: world.time + 1 } };
  const isStored = call.op === 'put' || call.op === 'keep' || call.op === 'create';
  return isStored && done.world !== world ? { ...done, world: noted(done.world) } : done;
}

function serve(world: World, call: Call, sender: Sender): Applied {
  switch (call.op) {
    case 'start':
    case 'sleep':
    case 'timer':
      return { world, answer: OK };
    case 'values':
      return {
        world,
        answer: ok([operatorsSecret(world), versionAnswer(world, versionBy(world, world.stages['AWSCURRENT']))]),
      };
    case 'value':
      return { world, answer: ok(operatorsSecret(world)) };
    case 'current':
      if (call.isOperators) return { world, answer: ok(operatorsSecret(world)) };
      break;
    case 'describe':
    case 'list':
      return { world, answer: ok(BASE + world.seedChangedAt) };
    case 'profiles':
      return {
        world,
        answer: ok({ createdAt: BASE + world.profileCreatedAt, updatedAt: BASE + world.profile.updatedAt }),
      };
    case 'handOver':
      return handOver(world, call);
    case 'exchange':
      return exchange(world, call.token, sender);
    case 'tryAccess':
      return {
        world,
        answer: familyOf(world, issueOf(call.access).family).isAlive ? OK : refusal('SALESFORCE_REFUSED'),
      };
    case 'keep':
      return { world: { ...world, escrow: call.value }, answer: ok('escrow') };
    case 'find':
      return { world, answer: ok(world.escrow ?? null) };
    case 'remove':
      return { world: { ...world, escrow: undefined }, answer: OK };
    default:
      break;
  }
  const done = atSecretsManager(world, call, sender);
  if (done === undefined) throw new Error(`Nobody serves ${call.op}.`);
  return done;
}

function handOver(world: World, { access, refresh }: Extract<Call, { op: 'handOver' }>): Applied {
  const held = issueOf(world.profile.access);
  const violation = issueOf(access).n < held.n ? 'an older access token overwrote a newer one in AppFlow' : undefined;
  return { world: { ...world, profile: { access, refresh, updatedAt: world.time + 1 } }, answer: OK, violation };
}

/** The token endpoint. Under rotation a token works once, and its second use revokes the family. */
function exchange(world: World, token: string, { isHeld }: Sender): Applied {
  const { family: index, n } = partsOf(token);
  const family = familyOf(world, index);
  const isCode = world.isCode && n === 0;
  const refused = refusal('SALESFORCE_REFUSED');
  if (!family.isAlive)
    return { world, answer: refused, violation: family.isLost ? undefined : 'a dead token was sent' };
  if (n !== family.live) {
    // The window: nothing of Salesforce's answer has reached a store, and no run under a lease has it.
    const isLost = family.saved < family.live && !isHeld(refreshToken(index, family.live));
    const violation = isLost ? undefined : `a spent token was sent (${token})`;
    return { world: withFamily(world, index, { isAlive: false, isLost }), answer: refused, violation };
  }
  const issued = world.issued + 1;
  const access = `a${issued}.${index}`;
  if (!world.rotates && !isCode) return { world: { ...world, issued }, answer: ok({ access }) };
  const refresh = refreshToken(index, family.live + 1);
  return { world: withFamily({ ...world, issued }, index, { live: family.live + 1 }), answer: ok({ access, refresh }) };
}

function noted(world: World): World {
  let next = world;
  for (const token of places(world)) {
    const { family, n } = partsOf(token);
    if (n > familyOf(next, family).saved) next = withFamily(next, family, { saved: n });
  }
  return next;
}
