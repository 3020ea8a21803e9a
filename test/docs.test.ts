import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../functions/core/errors.ts';
import { parseSettings } from '../functions/runtime/settings.ts';

const readme = readFileSync('README.md', 'utf8');
const runbook = readFileSync('RUNBOOK.md', 'utf8');

describe('the documents', () => {
  it('list every error code, with whether it is retried, in the README and in the runbook', () => {
    for (const [code, { retryable, meaning }] of Object.entries(ERROR_CODES)) {
      expect(readme).toContain(`| \`${code}\` | ${retryable ? 'yes' : 'no'} | ${meaning} |`);
      expect(runbook).toContain(`\n### ${code}\n`);
    }
  });

  it('have an entry in the runbook for every alarm', () => {
    const names = [
      ...readFileSync('infra/aws/alarms.yml', 'utf8').matchAll(
        /AlarmName: \$\{self:service\}-\$\{sls:stage\}-([\w-]+)/g,
      ),
    ].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) expect(runbook).toContain(`| \`${name}\` |`);
  });

  it('name npm scripts that exist, and no others', () => {
    const { scripts } = v.parse(
      v.object({ scripts: v.record(v.string(), v.string()) }),
      JSON.parse(readFileSync('package.json', 'utf8')),
    );
    for (const [, name] of `${readme}${runbook}`.matchAll(/npm (?:run )?([a-z][\w:]*)/g)) {
      if (name === 'run' || name === 'ci' || name === 'install') continue;
      expect(Object.keys(scripts)).toContain(name);
    }
  });

  it('list every setting with its default', () => {
    const defaults = parseSettings({}, false);
    for (const value of [
      defaults.secretPrefix,
      defaults.tokenPrefix,
      defaults.clientSecretPrefix,
      defaults.escrowPrefix,
      defaults.refreshIntervalSeconds,
      defaults.tickSeconds,
      defaults.jwtLifetimeSeconds,
      defaults.loginHosts.join(','),
    ]) {
      expect(readme).toMatch(
        new RegExp(`\\| \`[A-Z_]+\` \\| \`${String(value).replace(/[.*+?^$()[\]{}|\\/]/g, '\\$&')}\` \\|`),
      );
    }
  });
});
