import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JwtBearerConnection } from '../../../functions/core/connection/connection.ts';
import type { Serving } from '../../../functions/core/grants/grant.ts';
import { claimsSet, jwtBearer } from '../../../functions/core/grants/jwt-bearer.ts';
import { Redacted } from '../../../functions/core/redacted.ts';
import { anyText, fakeContext, fakeEndpoint, fakeRun } from '../../support/rules.ts';

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

describe('the exp of a minted JWT', () => {
  const connection: JwtBearerConnection = {
    name: 'sf-prod',
    connectorProfileName: 'sf-prod',
    loginUrl: 'https://login.salesforce.com',
    grantType: 'JWT_BEARER',
    handOver: 'JWT',
    clientId: '3MVG9',
    username: 'ann@example.com',
    audience: 'https://login.salesforce.com',
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
    await expect(attempt(7_199, 99_999)).rejects.toMatchObject({ code: 'LIFETIME_TOO_SHORT' });
    await expect(attempt(undefined, 7_199)).rejects.toMatchObject({ code: 'LIFETIME_TOO_SHORT' });
    await expect(attempt(undefined, 7_200)).resolves.toMatchObject({ credentials: { oAuth2GrantType: 'JWT_BEARER' } });
  });
});
