import { describe, expect, it } from 'vitest';
import { RefreshError } from '../../functions/core/errors.ts';
import type { TokenEndpoint } from '../../functions/core/ports.ts';
import { type RotationRequest, rotateSecret } from '../../functions/core/rotate-secret.ts';
import { fingerprintOf } from '../../functions/core/token-rotation/token-record.ts';
import { at, CODE_SECRET, type Estate, estate, NOW } from '../support/estate.ts';
import { CODE_CONNECTION, TOKENS, tokens } from '../support/token-services.ts';

const RECORD = {
  connection: 'sf-eu',
  refreshToken: 'r1',
  accessToken: 'a1',
  obtainedAt: '2026-11-24T08:59:59.000Z',
  rotates: true,
  seedFingerprint: fingerprintOf(CODE_CONNECTION.seed),
};

/** The connection sf-eu with tokens, `v1` current and announced to be `v2`. */
function world(options: { profile?: { updatedAt: Date }; deadline?: number; endpoint?: Partial<TokenEndpoint> } = {}) {
  const here = estate({}, { run: { deadline: options.deadline ?? NOW + 140_000 } });
  here.add('sf-eu', { value: CODE_SECRET, profile: options.profile ?? {} });
  here.tokens.seed('v1', RECORD, 'AWSCURRENT');
  here.tokens.seed('l0', {}, 'REFRESH_LEASE', 'REFRESH_RELEASED');
  here.tokens.labels.set('AWSPENDING', 'v2');
  const { ports } = here.context;
  const endpoint = { ...here.tokens.rotation.endpoint, ...options.endpoint };
  // One clock for both: the one that sleeps.
  const context = {
    ...here.context,
    run: here.tokens.run,
    ports: { ...ports, salesforce: { tokenEndpoint: () => endpoint } },
  };
  return { ...here, context };
}
const step = (here: Estate, name: RotationRequest['step'], versionId = 'v2') =>
  rotateSecret({ step: name, connection: 'sf-eu', versionId }, here.context);
const given = (here: Estate) => here.profiles.get('sf-eu')?.given.map(({ accessToken }) => accessToken?.reveal());

describe('createSecret', () => {
  it('exchanges the token and makes the new version current at once', async () => {
    const here = world();
    here.tokens.issued.push(tokens('a2', 'r2'));
    await step(here, 'createSecret');
    expect(here.tokens.labels.get('AWSCURRENT')).toBe('v2');
    expect(here.tokens.current()).toMatchObject({ accessToken: 'a2', refreshToken: 'r2' });
    expect([here.tokens.sent, given(here)]).toEqual([['r1'], []]);
  });

  it('spends nothing where there is no profile that could be given the token', async () => {
    const here = world();
    here.profiles.clear();
    await expect(step(here, 'createSecret')).rejects.toMatchObject({ code: 'PROFILE_NOT_FOUND' });
    expect(here.tokens.calls).toEqual([]);
  });

  it('spends nothing where a secret that was created before names the same profile', async () => {
    const here = world();
    here.add('first', { tags: { 'connector-profile-name': 'sf-eu' }, createdAt: at(-99_000) });
    await expect(step(here, 'createSecret')).rejects.toMatchObject({ code: 'PROFILE_SHARED' });
    expect(here.tokens.calls).toEqual([]);
  });

  it('spends nothing where the tag names another profile than the value', async () => {
    const here = world();
    here.add('sf-eu', { value: CODE_SECRET, tags: { 'connector-profile-name': 'payroll' } });
    here.secrets.set('appflow-token-refresher/sf-eu', JSON.stringify(CODE_SECRET));
    await expect(step(here, 'createSecret')).rejects.toMatchObject({ code: 'PROFILE_MISMATCH' });
    expect(here.tokens.calls).toEqual([]);
  });

  it('is done where its version is current, or was', async () => {
    const here = world();
    here.tokens.seed('v2', RECORD);
    await step(here, 'createSecret');
    here.tokens.labels.set('AWSCURRENT', 'v2');
    await step(here, 'createSecret');
    expect(here.tokens.sent).toEqual([]);
  });

  it('waits while another run holds the lease, and reads the seed again then', async () => {
    const here = world();
    here.tokens.seed('l1', { owner: 'another', heldSeconds: 100 }, 'REFRESH_LEASE');
    here.tokens.before['stages'] = (_, nth) => {
      if (nth === 3) here.tokens.labels.set('REFRESH_RELEASED', 'l1');
    };
    await step(here, 'createSecret');
    expect(here.tokens.run.waits).toEqual([1_500, 1_500]);
    expect(here.calls.filter((call) => call === 'value appflow-token-refresher/sf-eu')).toHaveLength(3);
    expect(here.tokens.sent).toEqual(['r1']);
  });

  it('gives up where the wait would last until the deadline', async () => {
    const here = world({ deadline: NOW + 30_000 });
    here.tokens.seed('l1', { owner: 'another', heldSeconds: 1_000 }, 'REFRESH_LEASE');
    await expect(step(here, 'createSecret')).rejects.toMatchObject({ code: 'OUT_OF_TIME' });
    const close = world({ deadline: NOW + 140_000 });
    close.tokens.seed('l1', { owner: 'another', heldSeconds: 1_000 }, 'REFRESH_LEASE');
    close.tokens.before['version'] = () => close.tokens.run.sleep(138_000);
    await expect(step(close, 'createSecret')).rejects.toMatchObject({
      code: 'OUT_OF_TIME',
      message: "The function's deadline came during the wait for another run of sf-eu.",
    });
    expect(close.tokens.run.waits).toEqual([138_000]);
    const barely = world({ deadline: NOW + 140_000 });
    barely.tokens.seed('l1', { owner: 'another', heldSeconds: 1_000 }, 'REFRESH_LEASE');
    barely.tokens.before['version'] = () => barely.tokens.run.sleep(137_999);
    await expect(step(barely, 'createSecret')).rejects.toMatchObject({
      message: "The function's deadline came during the wait of sf-eu for its turn.",
    });
    expect(barely.tokens.run.waits).toEqual([137_999, 1_500]);
  });

  it('refuses a connection that keeps no tokens', async () => {
    const here = world();
    here.add('sf-eu', { value: { grantType: 'JWT_BEARER' } });
    await expect(step(here, 'createSecret')).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: 'sf-eu is a connection of the grant JWT_BEARER, which keeps no tokens.',
      hint: 'Delete the secret appflow-token-refresher-tokens/sf-eu: nothing uses it.',
    });
    expect(here.tokens.calls).toEqual([]);
  });
});

describe('setSecret', () => {
  it('hands over the tokens of its version while the lease is held', async () => {
    const here = world();
    await step(here, 'setSecret', 'v1');
    expect(given(here)).toEqual(['a1']);
    expect(here.tokens.sent).toEqual([]);
    expect(here.tokens.labels.get('REFRESH_RELEASED')).toBe(here.tokens.labels.get('REFRESH_LEASE'));
  });

  it('does nothing where a refresh has come between', async () => {
    const here = world();
    await step(here, 'setSecret', 'v0');
    expect(given(here)).toEqual([]);
  });

  it.each([
    [0, []],
    [-1, ['a1']],
  ])('hands over nothing that is older than what AppFlow has: updated %i s after it', async (seconds, expected) => {
    const here = world({ profile: { updatedAt: at(seconds) } });
    await step(here, 'setSecret', 'v1');
    expect(given(here)).toEqual(expected);
  });

  it('refuses a token that ends before the next refresh', async () => {
    const here = world({ endpoint: { expiryOf: async () => at(3_599) } });
    here.add('sf-eu', { value: { ...CODE_SECRET, clientSecret: 's' } });
    await expect(step(here, 'setSecret', 'v1')).rejects.toMatchObject({ code: 'LIFETIME_TOO_SHORT' });
    expect(given(here)).toEqual([]);
  });

  it('begins no hand-over later than 58 s after it has read the secret', async () => {
    for (const [slow, begins] of [
      [57_999, true],
      [58_000, false],
    ] as const) {
      const here = world();
      here.before['describe'] = () => here.tokens.run.sleep(slow);
      const set = step(here, 'setSecret', 'v1');
      if (begins) await set;
      else await expect(set).rejects.toMatchObject({ code: 'OUT_OF_TIME' });
      expect(given(here)).toEqual(begins ? ['a1'] : []);
    }
  });

  it('begins none later than its deadline either', async () => {
    const here = world({ deadline: NOW + 30_000 });
    here.before['describe'] = () => here.tokens.run.sleep(30_000);
    await expect(step(here, 'setSecret', 'v1')).rejects.toMatchObject({ code: 'OUT_OF_TIME' });
  });
});

describe('testSecret', () => {
  const trying = (error?: Error) => {
    const tried: string[] = [];
    const here = world({
      endpoint: {
        tryAccessToken: async (token) => {
          tried.push(token.reveal());
          if (error !== undefined) throw error;
        },
      },
    });
    return { here, tried };
  };

  it('asks Salesforce with the access token of its version', async () => {
    const { here, tried } = trying();
    await step(here, 'testSecret', 'v1');
    expect(tried).toEqual(['a1']);
  });

  it('fails where that is dead', async () => {
    const dead = new RefreshError('SALESFORCE_REFUSED', 'dead', 'None.');
    await expect(step(trying(dead).here, 'testSecret', 'v1')).rejects.toBe(dead);
  });

  it('asks nobody where its version is missing, or not current any more', async () => {
    const { here, tried } = trying();
    await step(here, 'testSecret', 'v2');
    here.tokens.seed('v2', { ...RECORD, accessToken: 'a2' });
    await step(here, 'testSecret', 'v2');
    here.tokens.labels.set('AWSCURRENT', 'v3');
    await step(here, 'testSecret', 'v3');
    expect(tried).toEqual([]);
  });
});

describe('finishSecret', () => {
  it('takes AWSPENDING off its version', async () => {
    const here = world();
    here.tokens.seed('v2', RECORD, 'AWSCURRENT', 'AWSPENDING');
    await step(here, 'finishSecret');
    expect(here.tokens.labels.has('AWSPENDING')).toBe(false);
    expect(here.tokens.labels.get('AWSCURRENT')).toBe('v2');
  });

  it('has nothing to do where another version has the label, or none', async () => {
    const here = world();
    await step(here, 'finishSecret', 'v1');
    here.tokens.labels.delete('AWSPENDING');
    await step(here, 'finishSecret', 'v2');
    expect(here.tokens.calls).toEqual(['stages', 'stages']);
  });

  it('fails where its version was announced and never made', async () => {
    await expect(step(world(), 'finishSecret')).rejects.toMatchObject({
      code: 'SECRET_NOT_FOUND',
      message: `The version to finish has no value in ${TOKENS}.`,
      hint: `Start the rotation anew: aws secretsmanager rotate-secret --secret-id ${TOKENS}`,
    });
  });
});
