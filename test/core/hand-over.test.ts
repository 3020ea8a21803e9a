import { describe, expect, it } from 'vitest';
import { CredentialsRefused } from '../../functions/core/errors.ts';
import type { Obtained } from '../../functions/core/grants/grant.ts';
import { handOver } from '../../functions/core/hand-over.ts';
import type { Profile } from '../../functions/core/ports.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { fakeContext, fakeRun } from '../support/rules.ts';
import { notingProfile, servingIn } from '../support/serving.ts';
import { down } from '../support/token-services.ts';

const NOW = 1_700_000_000_000;

function obtained(
  access: string,
  renewed: () => Promise<Obtained> = () => Promise.reject(new Error('once')),
): Obtained {
  return {
    credentials: { oAuth2GrantType: 'AUTHORIZATION_CODE', accessToken: new Redacted(access) },
    handOver: 'ACCESS_TOKEN',
    validUntil: null,
    renewed,
  };
}
const refused = () => new CredentialsRefused('refused', 'None.', undefined);
/** A profile that refuses credentials so many times. */
function refusing(times: number, error: () => Error = refused) {
  const given: (string | undefined)[] = [];
  const profile = notingProfile({
    async handOver({ accessToken }) {
      given.push(accessToken?.reveal());
      if (given.length <= times) throw error();
    },
  });
  return { profile, given };
}
const serving = (profile: Profile, deadline = NOW + 1) =>
  servingIn(fakeContext({}, fakeRun({ now: NOW, deadline })), { profile });

describe('a hand-over', () => {
  it('gives the credentials to the profile', async () => {
    const { profile, given } = refusing(0);
    await handOver(obtained('a'), serving(profile));
    expect(given).toEqual(['a']);
  });

  it('is tried once more with what the grant renews where AppFlow tried in vain', async () => {
    const { profile, given } = refusing(1);
    await handOver(
      obtained('a', async () => obtained('b')),
      serving(profile),
    );
    expect(given).toEqual(['a', 'b']);
  });

  it('is tried no third time', async () => {
    const { profile, given } = refusing(2);
    const error = await handOver(
      obtained('a', async () => obtained('b')),
      serving(profile),
    ).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'PROFILE_REJECTED', message: 'refused', hint: 'None.' });
    expect(given).toEqual(['a', 'b']);
  });

  it('is tried once where AppFlow fails in another way', async () => {
    const { profile, given } = refusing(1, down);
    await expect(handOver(obtained('a'), serving(profile))).rejects.toMatchObject({ code: 'SECRETS_UNAVAILABLE' });
    expect(given).toEqual(['a']);
  });

  it('checks both the credentials and the renewed ones against the limits of AppFlow', async () => {
    const { profile, given } = refusing(1);
    for (const token of [' ', '00D8d!AQ to', '00D8d!AQ\n', '\t00D8d!AQ', '00D8d!AQ\u00a0', 'x'.repeat(4_097)])
      await expect(handOver(obtained(token), serving(profile))).rejects.toMatchObject({ code: 'CONSTRAINT_VIOLATED' });
    expect(given).toEqual([]);
    await expect(
      handOver(
        obtained('a', async () => obtained(' ')),
        serving(profile),
      ),
    ).rejects.toMatchObject({ code: 'CONSTRAINT_VIOLATED' });
    expect(given).toEqual(['a']);
  });

  it.each([
    ['connectorProfileName', { connectorProfileName: '~' }],
    ['connectionMode', { connectionMode: 'Secret' }],
    ['instanceUrl', { instanceUrl: ' ' }],
  ])('checks what is sent back of the profile: %s', async (field, some) => {
    const error = handOver(obtained('a'), serving({ ...notingProfile(), ...some }));
    await expect(error).rejects.toMatchObject({
      code: 'CONSTRAINT_VIOLATED',
      message: expect.stringMatching(new RegExp(`^${field} `)),
    });
  });

  it('is not begun once the deadline has come', async () => {
    const { profile, given } = refusing(0);
    await expect(handOver(obtained('a'), serving(profile, NOW))).rejects.toMatchObject({
      code: 'OUT_OF_TIME',
      message: "The function's deadline came during the refresh of sf-eu, before its hand-over.",
    });
    expect(given).toEqual([]);
  });
});

describe('a hand-over in a dry run', () => {
  const dry = (grants: ReadonlySet<string> | undefined) => {
    const profile = notingProfile();
    return { profile, serving: { ...serving(profile), dryRun: true, supportedGrants: async () => grants } };
  };

  it.each([
    ['lists the grant', new Set(['JWT_BEARER', 'AUTHORIZATION_CODE'])],
    ['gives no list', undefined],
  ])('gives nothing, and is content where AppFlow %s', async (_, grants) => {
    const { profile, serving } = dry(grants);
    await handOver(obtained('a'), serving);
    expect(profile.given).toEqual([]);
  });

  it('is refused where AppFlow does not list the grant', async () => {
    const { profile, serving } = dry(new Set(['JWT_BEARER', 'CLIENT_CREDENTIALS']));
    await expect(handOver(obtained('a'), serving)).rejects.toMatchObject({
      code: 'GRANT_UNSUPPORTED',
      message: 'AppFlow does not list AUTHORIZATION_CODE for Salesforce in this account and Region.',
      hint: 'Choose another handOver for sf-eu; AppFlow lists JWT_BEARER, CLIENT_CREDENTIALS.',
    });
    expect(profile.given).toEqual([]);
  });

  it('checks the limits of AppFlow all the same', async () => {
    await expect(handOver(obtained(' '), dry(undefined).serving)).rejects.toMatchObject({
      code: 'CONSTRAINT_VIOLATED',
    });
  });
});
