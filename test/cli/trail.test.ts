import { describe, expect, it } from 'vitest';
import { TRAIL } from '../../infra/local/cloudtrail/cloudtrail.ts';
import { RawReply } from '../../infra/local/wire/replies.ts';
import { Estate, PATIENCE } from './estate.ts';

const NONE =
  /\n! No trail of CloudTrail records management events in us-east-1: a profile that another program overwrites is noticed only at its next refresh\.\n$/;
const UNKNOWN =
  /\n– Whether a trail of CloudTrail tells of overwritten profiles is not known \((.*)\)\. If none does, .*\n$/;

async function healthy(): Promise<Estate> {
  const estate = await Estate.open();
  estate.jwt('sf-prod');
  estate.jwt('sf-test');
  return estate;
}
const trailOf = async (estate: Estate) => {
  const { code, body } = await estate.json(['check', '--all']);
  expect(code).toBe(0);
  return body.trail;
};

describe('check', { timeout: PATIENCE }, () => {
  it('says nothing about CloudTrail where a trail records management events here', async () => {
    await using estate = await healthy();
    estate.world.aws.trails.put({ name: TRAIL, isLogging: false });
    estate.world.aws.trails.put({ name: 'of-all-regions', homeRegion: 'eu-west-1' });
    const { code, stdout } = await estate.run(['check', '--all']);
    expect(code).toBe(0);
    expect(stdout).not.toContain('CloudTrail');
    expect(await trailOf(estate)).toMatchObject({
      state: 'recording',
      detail: expect.stringContaining('of-all-regions'),
    });
    estate.world.aws.forms.empty = 'null';
    expect(await trailOf(estate)).toMatchObject({ state: 'recording' });
  });

  it('says once that none does, and why that matters, and fails nothing', async () => {
    await using estate = await healthy();
    const { trails, forms } = estate.world.aws;
    trails.put({ name: TRAIL, isLogging: false });
    trails.put({ name: 'elsewhere', homeRegion: 'eu-west-1', isMultiRegion: false });
    const { code, stdout } = await estate.run(['check', '--all']);
    expect(code).toBe(0);
    expect(stdout).toMatch(NONE);
    expect(stdout.split('CloudTrail')).toHaveLength(2);
    trails.remove(TRAIL);
    forms.empty = 'left out';
    expect(await trailOf(estate)).toEqual({
      state: 'none',
      detail: expect.stringMatching(/^No trail .* next refresh\.$/),
    });
  });

  it('does not know where the trail selects its own events, be it those of management or not', async () => {
    await using estate = await healthy();
    estate.world.aws.trails.put({ name: TRAIL, selectors: 'management' });
    const { code, stdout } = await estate.run(['check', 'sf-prod']);
    expect(code).toBe(0);
    expect(UNKNOWN.exec(stdout)?.[1]).toContain(`event selectors of the trail ${TRAIL}`);
  });

  it('does not know where nobody may ask, or where the answer is none of CloudTrail', async () => {
    await using estate = await healthy();
    const { access, forms } = estate.world.aws;
    access.deny([{ action: 'cloudtrail:DescribeTrails' }]);
    const { code, stdout } = await estate.run(['check', 'sf-prod']);
    expect(code).toBe(0);
    expect(UNKNOWN.exec(stdout)?.[1]).toBe('ACCESS_DENIED: cloudtrail:DescribeTrails on * is denied.');
    access.deny([{ action: 'cloudtrail:GetTrailStatus' }]);
    expect(await trailOf(estate)).toMatchObject({ state: 'unknown', error: { code: 'ACCESS_DENIED' } });
    access.deny([]);
    forms.retell = ({ operation }) =>
      operation === 'DescribeTrails'
        ? new RawReply(200, { 'content-type': 'application/x-amz-json-1.1' }, '{"trailList":[{}]}')
        : undefined;
    expect(await trailOf(estate)).toMatchObject({ state: 'unknown', error: { code: 'OUT_OF_TIME' } });
  });

  it('leaves the exit code to the connections', async () => {
    await using estate = await healthy();
    estate.world.aws.trails.remove(TRAIL);
    estate.jwt('sf-broken', { privateKey: 'no key' });
    expect((await estate.run(['check', '--all'])).code).toBe(1);
    expect((await estate.run(['check', 'sf-prod'])).code).toBe(0);
  });
});
