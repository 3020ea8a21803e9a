import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { VERSION } from '../../functions/runtime/version.ts';

it('the version in the user agent is that of the package', () => {
  expect(JSON.parse(readFileSync('package.json', 'utf8'))).toMatchObject({ version: VERSION });
});
