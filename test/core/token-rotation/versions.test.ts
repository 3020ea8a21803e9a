import { describe, expect, it } from 'vitest';
import { areVersionsScarce, checkInterval, versionsScarce } from '../../../functions/core/token-rotation/versions.ts';
import { thrownBy } from '../../support/rules.ts';
import { tokenServices } from '../../support/token-services.ts';

describe('the shortest interval of a connection that keeps tokens', () => {
  it('is 900 s where one version a refresh is put', () => {
    checkInterval('sf-eu', 900, false);
    expect(thrownBy(() => checkInterval('sf-eu', 899, false))).toMatchObject({
      code: 'INTERVAL_TOO_SHORT',
      message: 'Every 899 s with 1 secret version a refresh makes 97 versions a day, and a secret may hold about 100.',
      hint: 'Set the tag refresh-interval-seconds of sf-eu to 900 or more.',
    });
  });

  it('is 1,800 s under refresh token rotation, which puts two', () => {
    checkInterval('sf-eu', 1_800, true);
    expect(thrownBy(() => checkInterval('sf-eu', 1_799, true))).toMatchObject({
      code: 'INTERVAL_TOO_SHORT',
      message:
        'Every 1799 s with 2 secret versions a refresh makes 97 versions a day, and a secret may hold about 100.',
      hint: 'Set the tag refresh-interval-seconds of sf-eu to 1800 or more.',
    });
  });
});

describe('the versions of a token secret', () => {
  it.each([
    [89, false],
    [90, true],
  ])('are scarce from 90 in a day on: %i', async (count, isScarce) => {
    const services = tokenServices();
    for (let n = 0; n < count; n++) services.seed(`v${n}`, {});
    await expect(areVersionsScarce(services.rotation)).resolves.toBe(isScarce);
  });

  it('are said to be scarce with what still goes ahead', () => {
    expect(versionsScarce(tokenServices().rotation)).toMatchObject({
      code: 'INTERVAL_TOO_SHORT',
      message:
        '90 versions of appflow-token-refresher-tokens/sf-eu were made in a day, so failed refreshes of sf-eu are not repeated for now.',
      hint: 'Look for the last failure of sf-eu before this one, and cure that. A refresh by hand or a change of appflow-token-refresher/sf-eu goes ahead all the same. Repetitions go on when the versions of a day ago no longer count.',
    });
  });
});
