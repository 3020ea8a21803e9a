import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JwtBearerConnection, SigningKey } from '../../../functions/core/connection/connection.ts';
import { SERVES_TAG } from '../../../functions/core/connection/serves.ts';
import { RefreshError } from '../../../functions/core/errors.ts';
import type { Serving } from '../../../functions/core/grants/grant.ts';
import { claimsSet, jwtBearer } from '../../../functions/core/grants/jwt-bearer.ts';
import { Redacted } from '../../../functions/core/redacted.ts';
import { anyText, fakeContext, fakeEndpoint, fakeRun } from '../../support/rules.ts';
import { servingIn } from '../../support/serving.ts';

const anyClaims = fc.record({
  issuer: anyText,
  subject: anyText,
  audience: anyText,
  expiresAt: fc.nat({ max: 99_999_999_999 }),
});

function segmentOf(json: string): string {
  return Buffer.from(json).toString('base64url');
}

describe('the claims of a JWT', () => {
  it('parse as JSON to exactly the given values', () => {
    fc.assert(
      fc.property(anyClaims, (claims) => {
        const { issuer, subject, audience, expiresAt } = claims;
        expect(JSON.parse(claimsSet(claims))).toEqual({ iss: issuer, sub: subject, aud: audience, exp: expiresAt });
      }),
      { numRuns: 2_000 },
    );
  });

  it('include exp but neither jti nor another time', () => {
    const claims = {
      issuer: '3MVG9',
      subject: 'ann@example.com',
      audience: 'https://login.salesforce.com',
      expiresAt: 1,
    };
    expect(claimsSet(claims)).toBe(
      '{"iss":"3MVG9","sub":"ann@example.com","aud":"https://login.salesforce.com","exp":1}',
    );
  });

  it('never encode to a "-", whatever their values', () => {
    fc.assert(
      fc.property(anyClaims, (claims) => {
        expect(segmentOf(claimsSet(claims))).toMatch(/^[a-zA-Z0-9_=]+$/);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never encode to a "-" for any code unit at any base64 offset', () => {
    const offending: string[] = [];
    for (const before of ['', 'a', 'aa']) {
      for (let unit = 0; unit <= 0xffff; unit++) {
        const subject = before + String.fromCharCode(unit);
        const json = claimsSet({ issuer: 'i', subject, audience: 'a', expiresAt: 1 });
        if (segmentOf(json).includes('-')) offending.push(`${before.length}:${unit.toString(16)}`);
      }
    }
    expect(offending).toEqual([]);
  });

  it('would encode to a "-" as plain JSON, which proves that these tests can fail', () => {
    const plain = JSON.stringify({ iss: 'i', sub: '~~~', aud: 'a', exp: 1 });
    expect(segmentOf(plain)).toContain('-');
  });

  it('keep ordinary ASCII readable in a decoded JWT', () => {
    const json = claimsSet({
      issuer: 'A1.b_c',
      subject: "o'hara+sf@example.com",
      audience: 'https://x.y',
      expiresAt: 2,
    });
    expect(json).toContain(`"sub":"o'hara+sf@example.com"`);
    expect(json).not.toContain('\\u');
  });
});

/** What the connections of these tests have in common. */
const ANN = {
  loginUrl: 'https://login.salesforce.com',
  grantType: 'JWT_BEARER',
  handOver: 'JWT',
  clientId: '3MVG9',
  username: 'ann@example.com',
  audience: 'https://login.salesforce.com',
} as const;

describe('the exp of a minted JWT', () => {
  const connection: JwtBearerConnection = {
    name: 'sf-prod',
    connectorProfileName: 'sf-prod',
    ...ANN,
    key: { kmsKeyId: 'alias/current' },
    nextKey: undefined,
    certificate: undefined,
    lifetimeSeconds: 7_200,
  };

  function serving(jwtLifetimeSeconds: number, signed: unknown[] = []): Serving {
    const endpoint = fakeEndpoint({
      exchangeAssertion: async (sign, run) => {
        await sign(run.now());
        return { accessToken: new Redacted('access'), refreshToken: undefined };
      },
    });
    const context = fakeContext(
      {
        signer: {
          keyTags: async () => ({
            arn: 'arn:current',
            tags: new Map([['appflow-token-refresher-connections', 'sf-prod']]),
          }),
          sign: async (_key, claims) => {
            signed.push(JSON.parse(claims));
            return new Redacted('jwt');
          },
        },
        salesforce: { tokenEndpoint: () => endpoint },
      },
      fakeRun({ now: 1_700_000_000_999 }),
    );
    return {
      ...context,
      rules: { ...context.rules, jwtLifetimeSeconds },
      target: { connection: 'sf-prod', connectorProfileName: 'sf-prod', intervalSeconds: 3_600 },
      profile: {
        connectorProfileName: 'sf-prod',
        isSalesforce: true,
        createdAt: new Date(0),
        updatedAt: new Date(0),
        connectionMode: 'Public',
        instanceUrl: undefined,
        handOver: () => Promise.reject(new Error('not expected')),
      },
      dryRun: false,
      tokenSecret: undefined,
      supportedGrants: () => Promise.reject(new Error('not expected')),
    };
  }

  const obtain = (some: Partial<JwtBearerConnection>, given: Serving) =>
    jwtBearer({ ...connection, ...some }).obtain(given, async () => undefined);

  it('lies one lifetime from now in whole epoch seconds and matches validUntil', async () => {
    const signed: unknown[] = [];
    await expect(obtain({}, serving(9, signed))).resolves.toMatchObject({ validUntil: new Date(1_700_007_200_000) });
    expect(signed).toEqual([
      { iss: '3MVG9', sub: 'ann@example.com', aud: 'https://login.salesforce.com', exp: 1_700_007_200 },
    ]);
  });

  it('lies 180 seconds from now when handOver is ACCESS_TOKEN', async () => {
    const signed: unknown[] = [];
    await obtain({ handOver: 'ACCESS_TOKEN' }, serving(9, signed));
    expect(signed).toEqual([expect.objectContaining({ exp: 1_700_000_180 })]);
  });

  it('is refused when it comes before two intervals have passed', async () => {
    const attempt = (lifetimeSeconds: number | undefined, jwtLifetimeSeconds: number) =>
      obtain({ lifetimeSeconds }, serving(jwtLifetimeSeconds));
    await expect(attempt(7_199, 99_999)).rejects.toMatchObject({
      code: 'LIFETIME_TOO_SHORT',
      message: 'The JWT of sf-prod would live 7199 s, and must live at least twice the refresh interval of 3600 s.',
      hint: 'Set lifetimeSeconds of sf-prod to 7200 or more, or shorten its refresh interval: AppFlow presents the JWT each time it needs an access token.',
    });
    await expect(attempt(undefined, 7_199)).rejects.toMatchObject({ code: 'LIFETIME_TOO_SHORT' });
    await expect(attempt(undefined, 7_200)).resolves.toMatchObject({ credentials: { oAuth2GrantType: 'JWT_BEARER' } });
  });
});

describe('JWT_BEARER', () => {
  const NOW = Date.parse('2026-11-24T09:00:00.000Z');
  const connection: JwtBearerConnection = {
    name: 'sf-eu',
    connectorProfileName: 'sf-eu',
    ...ANN,
    key: { kmsKeyId: 'current' },
    nextKey: undefined,
    certificate: undefined,
    lifetimeSeconds: undefined,
  };

  function world(
    accepts: (key: SigningKey) => unknown = () => undefined,
    certificateEnd = new Date(0),
    serves = 'sf-eu',
  ) {
    const looked: string[] = [];
    const asked: string[] = [];
    const run = fakeRun({ now: NOW });
    const context = fakeContext(
      {
        signer: {
          keyTags: async ({ kmsKeyId, willDo }) => {
            const tagged = { arn: kmsKeyId, tags: new Map([[SERVES_TAG, serves]]) };
            looked.push(`${kmsKeyId}: ${willDo(tagged)}`);
            return tagged;
          },
          sign: async (key) => {
            asked.push(`sign ${'kmsKeyId' in key ? key.kmsKeyId : 'pem'}`);
            return new Redacted('kmsKeyId' in key ? key.kmsKeyId : 'pem');
          },
          certificateEnd: () => certificateEnd,
        },
        salesforce: {
          tokenEndpoint: (of, secretName) =>
            fakeEndpoint({
              exchangeAssertion: async (sign, by) => {
                asked.push(`exchange of ${of.name} for ${secretName}`);
                const assertion = await sign(by.now());
                const error = accepts({ kmsKeyId: assertion.reveal() });
                if (error !== undefined) throw error;
                return { accessToken: new Redacted(`access by ${assertion.reveal()}`), refreshToken: undefined };
              },
            }),
        },
      },
      run,
    );
    return { asked, looked, run, serving: servingIn(context) };
  }
  const nextRefused = (error: unknown) => (key: SigningKey) =>
    'kmsKeyId' in key && key.kmsKeyId === 'next' ? error : undefined;
  const refused = new RefreshError('SALESFORCE_REFUSED', 'invalid_grant', 'Upload it.');

  async function obtain(some: Partial<JwtBearerConnection>, { serving }: ReturnType<typeof world>) {
    const used: unknown[] = [];
    const obtained = await jwtBearer({ ...connection, ...some }).obtain(serving, async (one) => {
      used.push(one);
    });
    if (obtained === 'in-progress') throw new Error('There is nothing to wait for.');
    expect(used).toEqual([obtained]);
    const { credentials, handOver, validUntil } = obtained;
    const { oAuth2GrantType, jwtToken, accessToken } = credentials;
    return {
      shown: [oAuth2GrantType, jwtToken?.reveal(), accessToken?.reveal(), handOver, validUntil?.toISOString()],
      renewed: obtained.renewed,
    };
  }

  it('hands over a JWT without asking Salesforce, and another one where it is renewed', async () => {
    const here = world();
    const { shown, renewed } = await obtain({}, here);
    expect(shown).toEqual(['JWT_BEARER', 'current', undefined, 'JWT', '2026-11-24T13:00:00.000Z']);
    expect(here.asked).toEqual(['sign current']);
    await renewed();
    expect(here.asked).toEqual(['sign current', 'sign current']);
  });

  it('hands over an access token that it has exchanged a JWT for, and another one where it is renewed', async () => {
    const here = world();
    const { shown, renewed } = await obtain({ handOver: 'ACCESS_TOKEN' }, here);
    expect(shown).toEqual(['AUTHORIZATION_CODE', undefined, 'access by current', 'ACCESS_TOKEN', undefined]);
    expect(here.asked).toEqual(['exchange of sf-eu for appflow-token-refresher/sf-eu', 'sign current']);
    await expect(renewed()).resolves.toMatchObject({ handOver: 'ACCESS_TOKEN' });
    expect(here.asked).toHaveLength(4);
  });

  const nextKey = { kmsKeyId: 'next' };

  it('signs with the next key as soon as Salesforce accepts it', async () => {
    const jwt = world();
    expect((await obtain({ nextKey }, jwt)).shown.slice(0, 2)).toEqual(['JWT_BEARER', 'next']);
    expect(jwt.asked).toEqual(['exchange of sf-eu for appflow-token-refresher/sf-eu', 'sign next', 'sign next']);
    const token = world();
    expect((await obtain({ nextKey, handOver: 'ACCESS_TOKEN' }, token)).shown[2]).toBe('access by next');
    expect(token.asked).toHaveLength(2);
    expect([jwt.run.warnings, token.run.warnings]).toEqual([[], []]);
  });

  it('goes on with the current key and warns while Salesforce does not accept the next one', async () => {
    for (const handOver of ['JWT', 'ACCESS_TOKEN'] as const) {
      const here = world(nextRefused(refused));
      const { shown } = await obtain({ nextKey, handOver }, here);
      expect(shown.slice(1, 3)).toEqual(handOver === 'JWT' ? ['current', undefined] : [undefined, 'access by current']);
      expect(here.run.warnings).toEqual([
        {
          connection: 'sf-eu',
          message:
            'Salesforce does not accept the next key yet: SALESFORCE_REFUSED (invalid_grant). Refreshes go on with the current one.',
        },
      ]);
    }
  });

  it.each([new RefreshError('SALESFORCE_UNAVAILABLE', 'HTTP 503', 'Wait.'), new TypeError('a bug')])(
    'fails where the next key could not be tried, since that says nothing about it',
    async (error) => {
      const here = world(nextRefused(error));
      await expect(obtain({ nextKey }, here)).rejects.toBe(error);
      expect(here.run.warnings).toEqual([]);
    },
  );

  it('signs with a KMS key only where that says that it serves the connection', async () => {
    const here = world();
    await obtain({}, here);
    expect(here.looked).toEqual(['current: true']);
    const other = world(undefined, undefined, 'another');
    await expect(obtain({}, other)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringMatching(/^The KMS key /),
    });
    expect([other.looked, other.asked]).toEqual([['current: false'], []]);
  });

  it('signs with the very key whose tags it has read, and knows what it means that they may not be', async () => {
    const signed: unknown[] = [];
    let denied: unknown;
    const context = fakeContext({
      signer: {
        keyTags: async (asked) => {
          denied = asked.denied(new Error('no'));
          return { arn: 'arn:key', tags: new Map([[SERVES_TAG, 'sf-eu']]) };
        },
        sign: async (key) => {
          signed.push(key);
          return new Redacted('jwt');
        },
      },
    });
    await jwtBearer({ ...connection, key: { kmsKeyId: 'alias/sf' } }).obtain(servingIn(context), async () => undefined);
    expect(signed).toEqual([{ kmsKeyId: 'arn:key' }]);
    expect(denied).toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringMatching(/^kms:DescribeKey or kms:ListResourceTags on alias\/sf is denied/),
      hint: expect.stringMatching(/should sign for sf-eu /),
    });
    const pem = { pem: new Redacted('PEM') };
    await jwtBearer({ ...connection, key: pem }).obtain(servingIn(context), async () => undefined);
    expect(signed[1]).toBe(pem);
  });

  it('checks the lifetime before it asks Salesforce about the next key', async () => {
    const here = world();
    await expect(obtain({ nextKey, lifetimeSeconds: 7_199 }, here)).rejects.toMatchObject({
      code: 'LIFETIME_TOO_SHORT',
    });
    expect(here.asked).toEqual([]);
  });

  it.each([
    ['2026-12-25T08:59:59.999Z', 'ends on 2026-12-25'],
    ['2026-11-24T09:00:00.000Z', 'ends on 2026-11-24'],
    ['2026-11-24T08:59:59.999Z', 'ended on 2026-11-24'],
  ])('warns of a certificate from thirty days before its end on: %s', async (end, said) => {
    const here = world(undefined, new Date(end));
    await obtain({ certificate: 'PEM' }, here);
    expect(here.run.warnings).toEqual([
      {
        connection: 'sf-eu',
        message: `The certificate ${said}: upload a new one to the connected app and store its key as nextPrivateKey.`,
      },
    ]);
  });

  it('does not warn of a certificate with 31 days left, nor where there is none', async () => {
    const young = world(undefined, new Date('2026-12-25T09:00:00.000Z'));
    await obtain({ certificate: 'PEM' }, young);
    const none = world(undefined, new Date(0));
    await obtain({}, none);
    expect([young.run.warnings, none.run.warnings]).toEqual([[], []]);
  });

  it('leaves nothing to finish, and says beforehand what is handed over', async () => {
    const grant = jwtBearer({ ...connection, handOver: 'ACCESS_TOKEN' });
    await expect(grant.finish(world().serving)).resolves.toBeUndefined();
    expect(grant.handOver(undefined)).toBe('ACCESS_TOKEN');
  });
});
