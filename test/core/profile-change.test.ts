import { describe, expect, it } from 'vitest';
import { RefreshError } from '../../functions/core/errors.ts';
import { answerChange, type ProfileChange } from '../../functions/core/profile-change.ts';
import { at, CODE_SECRET, estate } from '../support/estate.ts';

const OWN = 'arn:aws:iam::123456789012:role/refresh';
const CI = 'arn:aws:sts::123456789012:assumed-role/ci/build-7';

/** What CloudTrail tells of an update by Terraform, a minute ago. */
function update(some: Partial<ProfileChange> = {}): ProfileChange {
  return {
    kind: 'updated',
    connectorProfileName: 'crm',
    at: at(-60),
    roleArn: 'arn:aws:iam::123456789012:role/ci',
    principal: CI,
    userAgent: 'APN/1.0 HashiCorp/1.0 Terraform/1.9.2 (+https://www.terraform.io) aws-sdk-go-v2/1.30',
    ...some,
  };
}

/** The connection sf, whose profile crm was updated by somebody a minute ago. */
function world() {
  const here = estate({ ownRoleArns: [OWN] });
  here.add('sf', { tags: { 'connector-profile-name': 'crm' }, profile: { updatedAt: at(-59) } });
  return here;
}
const given = (here: ReturnType<typeof world>) => here.profiles.get('crm')?.given.length;

describe('an update by somebody else', () => {
  it('is undone at once, and people are told who it was, when and with what', async () => {
    const here = world();
    const { report, refreshed, told } = await answerChange(update(), here.context);
    expect(report).toMatchObject({
      connectorProfileName: 'crm',
      outcome: 'restored',
      message: `crm was updated by ${CI} with APN/1.0 HashiCorp/1.0 Terraform/1.9.2. It has our credential again.`,
      connections: [{ connection: 'sf', outcome: 'refreshed' }],
    });
    expect(refreshed.served).toHaveLength(1);
    expect(given(here)).toBe(1);
    expect(told).toEqual([
      {
        kind: 'Profile Overwritten',
        connection: 'sf',
        connectorProfileName: 'crm',
        since: at(-60).toISOString(),
        principal: CI,
        message: `was updated at 2026-11-24T08:59:00Z by ${CI} with APN/1.0 HashiCorp/1.0 Terraform/1.9.2. It has our credential again.`,
        hint: 'Stop that program from writing the credentials of crm: in Terraform, ignore_changes on them.',
      },
    ]);
  });

  it('is told and not undone again where the profile was updated since: the event may come twice', async () => {
    const here = world();
    here.add('sf', { tags: { 'connector-profile-name': 'crm' }, profile: { updatedAt: at(-50) } });
    const { report, told } = await answerChange(update(), here.context);
    expect(report.connections).toMatchObject([{ outcome: 'up-to-date' }]);
    // By whom, nobody knows.
    expect(told).toMatchObject([
      { kind: 'Profile Overwritten', message: expect.stringMatching(/ It has been updated again since\.$/) },
    ]);
    expect(report.message).not.toContain('our credential');
    expect(given(here)).toBe(0);
  });

  it('is undone also where it left a date on the profile that is later than its own by less than five seconds', async () => {
    const here = world();
    for (const [seconds, outcome] of [
      [-55, 'refreshed'],
      [-54, 'up-to-date'],
    ] as const) {
      here.add('sf', { tags: { 'connector-profile-name': 'crm' }, profile: { updatedAt: at(seconds) } });
      expect((await answerChange(update(), here.context)).report.connections).toMatchObject([{ outcome }]);
    }
  });

  it('that came before another is told without a word of our credential, in whatever order they are delivered', async () => {
    const here = world();
    const [first, second] = [update({ at: at(-120) }), update({ at: at(-60) })];
    for (const order of [
      [first, second],
      [second, first],
      [second, second, first],
    ]) {
      here.add('sf', { tags: { 'connector-profile-name': 'crm' }, profile: { updatedAt: at(-60) } });
      let restored = 0;
      for (const change of order) {
        const { report } = await answerChange(change, here.context);
        if (report.connections[0]?.outcome !== 'refreshed') continue;
        restored += 1;
        here.add('sf', { tags: { 'connector-profile-name': 'crm' }, profile: { updatedAt: at(0) } });
      }
      expect(restored).toBe(1);
    }
  });

  it('is told with the error where ours is refused for good, and with the next attempt where that may pass', async () => {
    const here = world();
    here.before['sign'] = () => {
      throw new RefreshError('KEY_UNUSABLE', 'The key is disabled.', 'Enable it.');
    };
    const { report, told } = await answerChange(update(), here.context);
    expect(report).toMatchObject({ outcome: 'failed' });
    expect(report.message).toContain('It could not be refreshed: The key is disabled.');
    expect(told).toMatchObject([{ kind: 'Profile Overwritten', code: 'KEY_UNUSABLE', hint: 'Enable it.' }]);
    expect(told[0]?.message).toContain('It could not be refreshed: The key is disabled.');
    here.before['sign'] = () => {
      throw new RefreshError('KMS_UNAVAILABLE', 'KMS is slow.', { kind: 'wait' });
    };
    const later = await answerChange(update(), here.context);
    expect(later.told).toEqual([]);
    expect(later.refreshed.served[0]?.error).toMatchObject({ retryable: true });
  });

  it('is told where it still fails when Lambda tries for the last time, with what to do then', async () => {
    const here = world();
    here.before['sign'] = () => {
      throw new RefreshError('KMS_UNAVAILABLE', 'KMS is slow.', { kind: 'wait' });
    };
    here.add('sf', { tags: { 'connector-profile-name': 'crm' }, profile: { updatedAt: at(-200) } });
    // The tries of Lambda come at once, after a minute, and after two more.
    for (const [secondsAgo, isTold] of [
      [61, false],
      [149, false],
      [150, true],
      [181, true],
    ] as const) {
      const { told } = await answerChange(update({ at: at(-secondsAgo) }), here.context);
      expect(told).toMatchObject(
        isTold
          ? [
              {
                code: 'KMS_UNAVAILABLE',
                hint: 'When that is over, run: npx --no-install appflow-token-refresher refresh sf. The schedule waits for the next interval.',
              },
            ]
          : [],
      );
    }
  });

  it('is a failure where our refresh runs into a bug, and not said to be undone', async () => {
    const here = world();
    here.before['sign'] = () => {
      throw new TypeError('x is not a function');
    };
    const { report, refreshed, told } = await answerChange(update(), here.context);
    expect(report).toMatchObject({
      outcome: 'failed',
      message: expect.stringMatching(/ It could not be refreshed\.$/),
    });
    expect(refreshed.bugs).toHaveLength(1);
    expect(told).toEqual([]);
  });

  it('is no overwriting where the connection, or its part in the profile, is gone though the listing still shows it', async () => {
    const here = world();
    const describe = (change: () => void) => {
      here.before['describe'] = change;
    };
    const name = 'appflow-token-refresher/sf';
    const listed = here.listed.get(name);
    if (listed === undefined) throw new Error('It was just added.');
    for (const kind of ['updated', 'deleted'] as const) {
      if (kind === 'deleted') here.profiles.delete('crm');
      for (const [change, outcome] of [
        [() => void here.listed.delete(name), 'nothing-to-do'],
        [() => void here.listed.set(name, { ...listed, tags: new Map() }), 'nothing-to-do'],
        [
          () => {
            throw new RefreshError('SECRETS_UNAVAILABLE', 'Down.', { kind: 'wait' });
          },
          kind === 'updated' ? 'restored' : 'told',
        ],
      ] as const) {
        describe(change);
        expect((await answerChange(update({ kind }), here.context)).report.outcome).toBe(outcome);
        here.listed.set(name, listed);
      }
    }
  });

  it.each([
    ['the value of the secret names another', { value: { connectorProfileName: 'other' } }],
    ['it is none of Salesforce', { profile: { isSalesforce: false } }],
  ])('is no overwriting where it never held a credential of ours: %s', async (_, some) => {
    const here = estate();
    here.add('sf', { tags: { 'connector-profile-name': 'crm' }, ...some });
    const { report, told, refreshed } = await answerChange(update(), here.context);
    expect(report.outcome).toBe('failed');
    expect(refreshed.served[0]?.error?.code).toMatch(/^PROFILE_(MISMATCH|NOT_SALESFORCE)$/);
    expect(told).toEqual([]);
  });

  it.each([
    ['a role of ours', update({ roleArn: OWN })],
    [
      'the command line',
      update({ roleArn: '', userAgent: 'aws-sdk-js/3.9 lang/js appflow-token-refresher-cli/0.1.0' }),
    ],
  ])('is none where it was %s', async (_, change) => {
    const here = world();
    const answered = await answerChange(change, here.context);
    expect(answered).toMatchObject({ report: { outcome: 'nothing-to-do' }, told: [] });
    expect(here.calls).toEqual([]);
  });

  it('by another deployment is told and never answered', async () => {
    const here = world();
    const userAgent = 'aws-sdk-js/3.9 lang/js appflow-token-refresher/9.1.0';
    const { report, told } = await answerChange(update({ userAgent }), here.context);
    expect(report.outcome).toBe('told');
    expect(given(here)).toBe(0);
    expect(told).toMatchObject([{ kind: 'Profile Overwritten', principal: CI }]);
    expect(told[0]?.message).toContain('another deployment');
    expect(told[0]?.hint).toContain('delete the secret of sf here');
  });

  it.each(['notappflow-token-refresher/1.0', 'appflow-token-refresher-cli', 'x/appflow-token-refresher-clix/1'])(
    'is not taken for ours by the user agent %s',
    async (userAgent) => {
      const here = world();
      expect((await answerChange(update({ userAgent }), here.context)).report.outcome).toBe('restored');
    },
  );

  it('does nothing where it changed nothing, or the profile is none of ours', async () => {
    const here = world();
    await answerChange(update({ connectorProfileName: '' }), here.context);
    expect(here.calls).toEqual([]);
    for (const connectorProfileName of ['', 'other'])
      for (const kind of ['updated', 'deleted'] as const)
        expect(await answerChange(update({ connectorProfileName, kind }), here.context)).toMatchObject({
          report: { outcome: 'nothing-to-do' },
          told: [],
        });
    expect(given(here)).toBe(0);
  });

  it('shows of a user agent the names of products alone, and names whom it cannot show as unnamed', async () => {
    const secret = 'zQ7distinctive';
    for (const [userAgent, shown] of [
      ['[Mozilla/5.0 (Macintosh) Chrome/120.0]', ' with Mozilla/5.0 Chrome/120.0'],
      ['cloudformation.amazonaws.com', ' with cloudformation.amazonaws.com'],
      ['AWS Internal', ' with AWS Internal'],
      [`${secret} (${secret}) x/${secret}`, ''],
      [`a/1${'b'.repeat(60)}`, ''],
      ['', ''],
    ] as const) {
      const { report } = await answerChange(update({ userAgent }), world().context);
      expect(report.message).toBe(`crm was updated by ${CI}${shown}. It has our credential again.`);
    }
    for (const principal of ['', 'a b', 'x\n', '\u202e', 'x'.repeat(2_000)]) {
      const { told } = await answerChange(update({ principal }), world().context);
      expect(told[0]).toMatchObject({ principal: 'an unnamed principal' });
    }
    for (const [principal, shown] of [
      ['AWS Internal', 'AWS Internal'],
      [
        'arn:aws:iam::1:user/[a](b)/<!here>/ann',
        'arn:aws:iam::1:user/\ufffda\ufffd\ufffdb\ufffd/\ufffd\ufffdhere\ufffd/ann',
      ],
    ] as const) {
      const { told } = await answerChange(update({ principal }), world().context);
      expect(told[0]).toMatchObject({ principal: shown });
    }
  });

  it('is answered later where another run holds the connection', async () => {
    const here = estate();
    here.add('sf-eu', { value: CODE_SECRET, profile: { updatedAt: at(-59) } });
    here.tokens.seed('c', { connection: 'sf-eu', rotates: false }, 'AWSCURRENT');
    here.tokens.seed('l', { owner: 'another', heldSeconds: 100 }, 'REFRESH_LEASE');
    await expect(answerChange(update({ connectorProfileName: 'sf-eu' }), here.context)).rejects.toMatchObject({
      code: 'OUT_OF_TIME',
      message: 'Another run holds sf-eu.',
    });
  });

  it('has a refresh token exchanged, since AppFlow may have spent the one that was stored', async () => {
    const here = estate();
    here.add('sf-eu', { value: CODE_SECRET, profile: { updatedAt: at(-59) } });
    here.tokens.seed(
      'c',
      { connection: 'sf-eu', rotates: false, accessToken: 'fresh', obtainedAt: at(-120).toISOString() },
      'AWSCURRENT',
    );
    const { report } = await answerChange(update({ connectorProfileName: 'sf-eu' }), here.context);
    expect(report.connections).toMatchObject([{ outcome: 'refreshed' }]);
    expect(here.tokens.calls.filter((call) => call.startsWith('exchange'))).toHaveLength(1);
  });
});

describe('a deletion', () => {
  const deletion = update({ kind: 'deleted', roleArn: OWN });

  it('of a served profile is told as a failure of its connection, whoever it was', async () => {
    const here = world();
    here.profiles.delete('crm');
    const { report, told } = await answerChange(deletion, here.context);
    expect(report.outcome).toBe('told');
    expect(told).toMatchObject([
      {
        kind: 'Connection Failed',
        connection: 'sf',
        connectorProfileName: 'crm',
        since: at(-60).toISOString(),
        code: 'PROFILE_NOT_FOUND',
        principal: CI,
      },
    ]);
    expect(told[0]?.message).toContain(`crm was deleted by ${CI}`);
    expect(told[0]?.hint).toContain('Create the profile');
  });

  it('is not told where the profile is there again', async () => {
    const here = world();
    expect(await answerChange(deletion, here.context)).toMatchObject({
      report: { outcome: 'nothing-to-do' },
      told: [],
    });
  });
});
