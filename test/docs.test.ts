import { existsSync, globSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { parseConnection } from '../functions/core/connection/parse-connection.ts';
import { ERROR_CODES } from '../functions/core/errors.ts';
import { COMMAND } from '../functions/core/hint.ts';
import { Redacted } from '../functions/core/redacted.ts';
import { parseSettings } from '../functions/runtime/settings.ts';

const read = (path: string) => readFileSync(path, 'utf8');
const PAPERS = [...globSync(['*.md', 'docs/*.md', '.github/**/*.{md,yml}'])].sort();
const papers = PAPERS.map((path) => ({ path, text: read(path) }));
const everything = papers.map(({ text }) => text).join('\n');

/** The first groups of all matches, each once, in order. */
function found(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].flatMap(([, first]) => first ?? []))].sort();
}

/** What follows a heading, up to the next one of the same or a higher level. */
function section(text: string, heading: string): string {
  const level = heading.split(' ')[0]?.length ?? 0;
  const lines = text.split('\n');
  const start = lines.indexOf(heading);
  if (start < 0) throw new Error(`There is no heading "${heading}".`);
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => new RegExp(`^#{1,${level}} `).test(line));
  return rest.slice(0, end < 0 ? undefined : end).join('\n');
}

/** Keeps what is between a beginning and the next end. */
function between(text: string, beginning: string, end: string): string {
  const start = text.indexOf(beginning);
  if (start < 0) throw new Error(`There is no "${beginning}".`);
  return text.slice(start, text.indexOf(end, start));
}

describe('the README', () => {
  const readme = read('README.md');

  it('can be read in one go', () => {
    expect(readme.trimEnd().split('\n').length).toBeLessThanOrEqual(200);
  });

  it('leads to every other paper', () => {
    const others = [...globSync(['*.md', 'docs/*.md'])].filter((path) => path !== 'README.md');
    for (const path of others) expect(readme).toContain(`](${path}`);
  });

  it('holds no figure that depends on the machine', () => {
    expect(readme).not.toMatch(/\d (ms|µs|milliseconds)\b/);
  });
});

describe('the error codes', () => {
  const codes = Object.keys(ERROR_CODES).sort();
  const reference = read('docs/errors.md');
  const runbook = section(read('RUNBOOK.md'), '## Error codes');

  it('are in the reference, each with its meaning and with whether it is retried, and no others', () => {
    for (const [code, { retryable, meaning }] of Object.entries(ERROR_CODES))
      expect(reference).toContain(`| \`${code}\` | ${retryable ? 'yes' : 'no'} | ${meaning} |`);
    expect(found(reference, /^\| `([A-Z_]+)` \|/gm)).toEqual(codes);
  });

  it('have an entry each in the runbook, and no others', () => {
    expect(found(runbook, /^### (\w+)$/gm)).toEqual(codes);
  });
});

it('the runbook has an entry for every alarm, and no others', () => {
  const [template = ''] = globSync('infra/**/alarms.yml');
  const names = found(read(template), /AlarmName: \$\{self:service\}-\$\{sls:stage\}-([\w-]+)/g);
  expect(names.length).toBeGreaterThan(5);
  expect(found(section(read('RUNBOOK.md'), '## Alarms'), /^### (.+)$/gm)).toEqual(names);
});

it('each claim about security names a test that there is', () => {
  const claims = [...read('SECURITY.md').matchAll(/"([^"]+)"\s+\(\[[^\]]+\]\((test\/[^)]+)\)\)/g)];
  expect(claims.length).toBeGreaterThan(25);
  for (const [, title = '', file = ''] of claims) expect(read(file)).toContain(title.replaceAll(/\s+/g, ' '));
  for (const [row] of section(read('SECURITY.md'), '## Threats').matchAll(/^\| .*\|$/gm))
    if (!row.startsWith('| STRIDE')) expect(row).toMatch(/\(test\/[\w/.-]+\)/);
});

describe('the settings', () => {
  const reference = read('docs/settings.md');
  const environment = section(reference, '## Environment variables of the functions');
  const parameters = section(reference, '## Parameters of a deployment');

  it('are in the reference, and no others', () => {
    const names = found(read('functions/runtime/settings.ts'), /'([A-Z]+(?:_[A-Z]+)+)'/g);
    expect(found(environment, /^\| `([A-Z_]+)` \|/gm)).toEqual(
      names.filter((name) => !(name in ERROR_CODES) && !name.startsWith('AWS_')),
    );
  });

  it('have their default there', async () => {
    const defaults = await parseSettings({}, false);
    for (const [name, value] of [
      ['SECRET_PREFIX', defaults.secretPrefix],
      ['TOKEN_PREFIX', defaults.tokenPrefix],
      ['CLIENT_SECRET_PREFIX', defaults.clientSecretPrefix],
      ['ESCROW_PREFIX', defaults.escrowPrefix],
      ['REFRESH_INTERVAL_SECONDS', defaults.refreshIntervalSeconds],
      ['TICK_SECONDS', defaults.tickSeconds],
      ['JWT_LIFETIME_SECONDS', defaults.jwtLifetimeSeconds],
      ['LOGIN_HOSTS', defaults.loginHosts.join(',')],
      ['INSTANCE_HOSTS', defaults.instanceHosts.join(',')],
      ['RERUN_FLOWS', defaults.rerunFlows],
    ])
      expect(environment).toContain(`| \`${name}\` | \`${value}\` |`);
  });

  it('of a deployment are in the reference, with their default where it is a number, and no others', () => {
    const block = between(read('serverless.yml'), '\nparams:\n', '\nprovider:\n');
    const names = found(block, /^ {4}(\w+):/gm);
    expect(names.length).toBeGreaterThan(10);
    const rows = [...parameters.matchAll(/^\| (`\w+`(?:, `\w+`)*) \|/gm)].map(([, cell]) => cell ?? '').join(' ');
    expect(found(rows, /`(\w+)`/g)).toEqual(names);
    for (const [, name, value] of block.matchAll(/^ {4}(\w+): (\d+)$/gm))
      expect(parameters).toContain(`| \`${name}\` | \`${value}\` |`);
  });

  it('name the outputs of the stack', () => {
    const outputs = found(between(read('serverless.yml'), '\n    Outputs:\n', '\n  - extensions:\n'), /^ {6}(\w+):/gm);
    expect(found(section(reference, '## Outputs of the stack'), /^\| `(\w+)` \|/gm)).toEqual(outputs);
  });
});

describe('a connection', () => {
  const reference = read('docs/connection.md');

  it('has its keys in the reference, and no others', () => {
    const keys = between(read('functions/core/connection/secret-value.ts'), '\nconst KEYS', '\n};\n');
    const cells = [...section(reference, '## Keys').matchAll(/^\| (`\w+`(?: or `\w+`)?) \|/gm)].map(([, cell]) => cell);
    expect(found(cells.join(' '), /`(\w+)`/g)).toEqual(found(keys, /^ {2}(\w+): \{/gm));
  });

  it('has its tags in the reference', () => {
    const tags = found(read('functions/core/connection/target.ts'), /_TAG = '([\w-]+)'/g);
    expect(found(section(reference, '## Tags'), /^\| `([\w-]+)` \|/gm)).toEqual(tags);
  });

  it('parses as each example shows it', async () => {
    // The keys in the examples are cut short: that they are keys is not what is asked here.
    const keys = { privateKeyProblem: () => undefined, certificateIn: () => ({ pem: '' }) };
    const examples = [...everything.matchAll(/^```json\n(.*?)^```$/gms)].flatMap(([, json = '']) =>
      json.startsWith('{\n  "grantType"') ? [json] : [],
    );
    expect(examples.length).toBeGreaterThanOrEqual(4);
    const settings = await parseSettings({}, false);
    for (const json of examples)
      expect(parseConnection('example', new Redacted(json), settings, keys)).toMatchObject({
        name: 'example',
      });
  });
});

describe('the commands', () => {
  const { scripts } = v.parse(
    v.object({ scripts: v.record(v.string(), v.string()) }),
    JSON.parse(read('package.json')),
  );
  const program = read('infra/cli/main.ts');
  const reference = read('docs/command-line.md');

  it('of npm that a paper names exist', () => {
    const named = found(everything, /\bnpm (?:run )?([a-z][\w:-]*)/g);
    const npmItself = ['audit', 'ci', 'install', 'rebuild', 'run'];
    for (const name of named) if (!npmItself.includes(name)) expect(Object.keys(scripts)).toContain(name);
  });

  it('of npm that exist are in CONTRIBUTING.md', () => {
    const own = Object.keys(scripts).filter((name) => !name.startsWith('pre'));
    const table = section(read('CONTRIBUTING.md'), '## Commands');
    for (const name of own) expect(table).toMatch(new RegExp(`\`npm (run )?${name}\``));
  });

  it('of the command line that a paper names exist, and all are in the reference', () => {
    const existing = found(program, /\.command\('(\w+)'\)/g);
    for (const name of found(everything, /npx --no-install appflow-token-refresher ([a-z]+)/g))
      expect(existing).toContain(name);
    expect(found(reference, /^\| \[`(\w+)`\]/gm)).toEqual(existing);
  });

  it('are called so that npx fetches no package of a stranger', () => {
    const programs = [COMMAND.split(' ').at(-1), ...readdirSync('node_modules/.bin')];
    const files = globSync([
      '{functions,infra,test}/**/*.{ts,mjs,yml}',
      '*.{md,json,yml}',
      'docs/*.md',
      '.{ci,github}/**/*',
    ]);
    const calls = files
      .filter((path) => statSync(path).isFile())
      .flatMap((path) =>
        [...read(path).matchAll(/\bnpx ((?:-\S+ )*)([\w@/-]+)/g)].map((call) => [path, ...call.slice(1)]),
      )
      .filter(([, , program]) => programs.includes(program));
    expect(calls.length).toBeGreaterThan(30);
    expect(calls.filter(([, options]) => options !== '--no-install ')).toEqual([]);
  });

  it('of the command line have all their options in the reference, and no others', () => {
    const existing = found(program, /['"](--[a-z-]+)/g);
    expect(
      [...new Set([...found(reference.replaceAll('--no-install', ''), /(--[a-z][a-z-]+)/g), '--help'])].sort(),
    ).toEqual([...new Set([...existing, '--help'])].sort());
  });
});

describe('the links', () => {
  it.each(papers.filter(({ path }) => path.endsWith('.md')))('of $path resolve', ({ path, text }) => {
    const targets = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    for (const target of targets) {
      if (/^https:/.test(target)) continue;
      const [file = '', anchor] = target.split('#');
      const linked = file === '' ? path : join(dirname(path), file);
      expect(existsSync(linked), `${path} links to ${target}`).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(read(linked)), `${path} links to ${target}`).toContain(anchor);
    }
  });
});

it('the architecture names every file of the functions, in the folder where it is, and no others', () => {
  const tree = between(read('ARCHITECTURE.md'), '```\nfunctions/', '\n\ninfra/');
  const folders: string[] = [];
  const named: string[] = [];
  for (const [, indent = '', name = ''] of tree.matchAll(/^([│├└─ ]*)([\w.-]+\/?)(?= |$)/gm)) {
    folders.length = indent.length / 4;
    if (name.endsWith('/')) folders.push(name);
    else if (name.endsWith('.ts')) named.push(folders.join('') + name);
  }
  expect(named.sort()).toEqual([...globSync('functions/**/*.ts')].sort());
});

it('the times of a run are those of the deployment', () => {
  const times = section(read('docs/operations.md'), '## Times');
  const serverless = read('serverless.yml');
  for (const [name, row] of [
    ['dispatch', 'time-out of `dispatch` and of `heal`'],
    ['heal', 'time-out of `dispatch` and of `heal`'],
    ['refresh', 'time-out of `refresh`'],
    ['rotate', 'time-out of `rotate`'],
  ]) {
    const [, seconds] = /\n {4}timeout: (\d+)/.exec(between(serverless, `\n  ${name}:\n`, '\n    environment:')) ?? [];
    expect(times).toContain(`| ${row} | ${seconds} s |`);
  }
  const [queue = ''] = globSync('infra/**/queue.yml');
  const first = (pattern: RegExp) => pattern.exec(read(queue))?.[1];
  expect(times).toContain(`times the time-out of \`refresh\` | ${first(/VisibilityTimeout: (\d+)/)} s |`);
  expect(times).toContain(`| life of a message | ${first(/MessageRetentionPeriod: (\d+)/)} s |`);
});

it('the files for tools name the Node of the functions, and the workflow calls what a developer calls', () => {
  const [, version] = /runtime: nodejs(\d+)\.x/.exec(read('serverless.yml')) ?? [];
  expect(read('.nvmrc').trim()).toBe(version);
  expect(read('.github/workflows/ci.yml')).toContain('run: .ci/run');
});

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, '`code`');
}

/** The anchors of the headings, as GitHub makes them. */
function anchorsOf(markdown: string): string[] {
  const headings = [...markdown.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#{1,6} (.+)$/gm)];
  return headings.map(([, text = '']) =>
    text
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-'),
  );
}
