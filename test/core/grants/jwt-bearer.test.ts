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

describe('the claims set', () => {
  it('says to a JSON parser exactly what went in, and nothing more', () => {
    fc.assert(
      fc.property(anyClaims, (claims) => {
        const { issuer, subject, audience, expiresAt } = claims;
        expect(JSON.parse(claimsSet(claims))).toEqual({ iss: issuer, sub: subject, aud: audience, exp: expiresAt });
      }),
      { numRuns: 2_000 },
    );
  });

  it('has no jti, which Salesforce would accept only once, and no time but exp', () => {
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

  it('never encodes to a "-", whatever the claims', () => {
    fc.assert(
      fc.property(anyClaims, (claims) => {
        expect(segmentOf(claimsSet(claims))).toMatch(/^[a-zA-Z0-9_=]+$/);
      }),
      { numRuns: 2_000 },
    );
  });

  it('never encodes to a "-" for any single code unit in any of the three places of a base64 group', () => {
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

  it('would hold a "-" for such claims if they were written as plain JSON, so that these tests can fail', () => {
    const plain = JSON.stringify({ iss: 'i', sub: '~~~', aud: 'a', exp: 1 });
    expect(segmentOf(plain)).toContain('-');
  });

  it('leaves ordinary ASCII as it is, so that a person can read a decoded JWT', () => {
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

  it('is the lifetime after now in whole epoch seconds, and is what validUntil says', async () => {
    const signed: unknown[] = [];
    await expect(obtain({}, serving(9, signed))).resolves.toMatchObject({ validUntil: new Date(1_700_007_200_000) });
    expect(signed).toEqual([
      { iss: '3MVG9', sub: 'ann@example.com', aud: 'https://login.salesforce.com', exp: 1_700_007_200 },
    ]);
  });

  it('is 180 seconds after now where we exchange the JWT ourselves', async () => {
    const signed: unknown[] = [];
    await obtain({ handOver: 'ACCESS_TOKEN' }, serving(9, signed));
    expect(signed).toEqual([expect.objectContaining({ exp: 1_700_000_180 })]);
  });

  it('is refused where it would come before twice the interval is over', async () => {
    const attempt = (lifetimeSeconds: number | undefined, jwtLifetimeSeconds: number) =>
      obtain({ lifetimeSeconds }, serving(jwtLifetimeSeconds));
    await expect(attempt(7_199, 99_999)).rejects.toMatchObject({ code: 'LIFETIME_TOO_SHORT' });
    await expect(attempt(undefined, 7_199)).rejects.toMatchObject({ code: 'LIFETIME_TOO_SHORT' });
    await expect(attempt(undefined, 7_200)).resolves.toMatchObject({ credentials: { oAuth2GrantType: 'JWT_BEARER' } });
  });
});
