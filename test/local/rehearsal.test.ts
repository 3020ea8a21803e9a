import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KINDS, type Kind, type Line, lineOf, rehearse } from '../../infra/local/rehearsal.ts';

const RUNBOOK = readFileSync('RUNBOOK.md', 'utf8');

/** The rehearsals read what the functions write. */
const LOUD = { POWERTOOLS_LOG_LEVEL: 'INFO', POWERTOOLS_METRICS_DISABLED: 'false' };
const before = new Map<string, string | undefined>();
beforeAll(() => {
  for (const [name, value] of Object.entries(LOUD)) {
    before.set(name, process.env[name]);
    process.env[name] = value;
  }
});
afterAll(() => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

async function rehearsed(kind: Kind, isAnotherBroken = false): Promise<Line[]> {
  const lines: Line[] = [];
  expect(await rehearse(kind, { say: (line) => lines.push(line), isAnotherBroken })).toBe(true);
  return lines;
}
const words = (text: string) => text.replace(/\s+/g, ' ').trim();
/** What the runbook shows of a kind. */
function shown(kind: Kind): string {
  const section = RUNBOOK.split(`\n### ${kind}\n`)[1]?.split('\n##')[0];
  return section?.split('```text\n')[1]?.split('```')[0] ?? '';
}
const notices = (lines: readonly Line[], connection: string) =>
  lines
    .filter(({ what, text }) => what === 'NOTICE' && text.includes(`: ${connection} `))
    .map(({ text }) => text.slice(0, text.indexOf(':')));

describe.each(KINDS)('the rehearsal %s', (kind) => {
  it('ends well, and is what the runbook shows', async () => {
    const lines = await rehearsed(kind);
    expect(words(lines.map(lineOf).join('\n'))).toBe(words(shown(kind)));
  });
});

describe('what the person on call gets', () => {
  it.each([
    ['revoked', 'sf-rotating'],
    ['wrong-certificate', 'sf-production'],
    ['profile-gone', 'sf-production'],
    ['overwritten', 'sf-production'],
  ] as const)('of %s is the same while another connection is broken throughout', async (kind, connection) => {
    const lines = await rehearsed(kind, true);
    const alone = shown(kind)
      .split('\n')
      .filter((line) => / {2}NOTICE /.test(line) && line.includes(`: ${connection} `))
      .map((line) => /NOTICE {2}([A-Za-z ]+):/.exec(line)?.[1]);
    expect(notices(lines, connection)).toEqual(alone);
  });

  it('holds no secret', async () => {
    for (const kind of ['revoked', 'overwritten'] as const)
      for (const { text } of await rehearsed(kind))
        expect(text).not.toMatch(/BEGIN|eyJ|sample-secret|e30\.e30|[A-Za-z0-9_-]{60,}/);
  });
});
