import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { functionZip } from '../../infra/packaging/function-zip.ts';
import { type Packaged, packaged, unpack, unzip } from '../support/packaged.ts';

const FUNCTIONS = readdirSync(join(import.meta.dirname, '../../functions'))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.slice(0, -'.ts'.length))
  .sort();

/** Bytes. Twice what a bundle has today: something large that slips in is seen, an update of the SDK is not. */
const LARGEST_ZIP = 1_000_000;

/** What Lambda's runtime does with a handler, as far as it matters here: load it by name, call it, name what it throws. */
const RUNTIME = `
  const [, file, name] = /^(.+)\\.(\\w+)$/.exec(process.env._HANDLER);
  const { [name]: handler } = require(require('node:path').join(process.env.LAMBDA_TASK_ROOT, file));
  const context = { functionName: process.env.AWS_LAMBDA_FUNCTION_NAME, awsRequestId: 'c6af9ac6-7b61-11e6-9a41-93e8deadbeef', getRemainingTimeInMillis: () => 30_000 };
  handler(JSON.parse(process.argv[1]), context).then(
    (result) => ({ result }),
    (error) => ({ errorType: error.name, errorMessage: error.message }),
  ).then((outcome) => process.stdout.write('\\n' + JSON.stringify(outcome) + '\\n'));
`;

const Outcome = v.union([
  v.object({ errorType: v.string(), errorMessage: v.string() }),
  v.object({ result: v.unknown() }),
]);

let build: Packaged;
const folders: string[] = [];

beforeAll(async () => {
  build = await packaged();
}, 180_000);

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function zipOf(name: string): string {
  const path = build.zips.get(name);
  if (path === undefined) throw new Error(`There is no ${name}.zip.`);
  return path;
}

/** Calls the handler of a zip in an empty folder and a process of its own, with Lambda's variables and nothing else. */
async function invoke(
  name: string,
  event: unknown,
  settings: Readonly<Record<string, string>> = {},
): Promise<v.InferOutput<typeof Outcome>> {
  const folder = unpack(zipOf(name));
  folders.push(folder);
  const env = {
    _HANDLER: `functions/${name}.handler`,
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '512',
    AWS_LAMBDA_FUNCTION_NAME: `appflow-token-refresher-test-${name}`,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_REGION: 'eu-central-1',
    AWS_DEFAULT_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'not-a-key',
    AWS_SECRET_ACCESS_KEY: 'not-a-secret',
    AWS_SESSION_TOKEN: 'not-a-token',
    LAMBDA_TASK_ROOT: folder,
    LAMBDA_RUNTIME_DIR: '/var/runtime',
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
    PATH: '/usr/bin:/bin',
    ...settings,
  };
  const { stdout } = await promisify(execFile)(process.execPath, ['--eval', RUNTIME, JSON.stringify(event)], {
    cwd: folder,
    env,
  });
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  return v.parse(Outcome, JSON.parse(last));
}

test('every function has a zip of its own, and there are no others', () => {
  expect([...build.zips.keys()].sort()).toEqual(FUNCTIONS);
});

/** Packages in files of their own, which few containers load. */
const BESIDE = ['tldts-icann', '@aws-sdk/client-eventbridge'];

describe.each(FUNCTIONS)('the zip of %s', (name) => {
  test('contains only code and licences, without a package.json that would make the code a module', () => {
    expect([...unzip(zipOf(name)).keys()]).toEqual([
      'LICENSE',
      'THIRD_PARTY_LICENSES.txt',
      'functions/@aws-sdk/client-eventbridge.js',
      `functions/${name}.js`,
      'functions/tldts-icann.js',
    ]);
  });

  test('tells the licence of every package that the bundle names', () => {
    const files = unzip(zipOf(name));
    const text = (path: string) => Buffer.from(files.get(path) ?? []).toString();
    const code = [name, ...BESIDE].map((one) => text(`functions/${one}.js`)).join('\n');
    const packages = [...code.matchAll(/^\s*\/\/ (?:.*\/)?node_modules\/((?:@[^/\n]+\/)?[^/\n]+)\//gm)];
    const named = new Set(packages.map(([, one = '']) => one));
    expect(named.size).toBeGreaterThan(30);
    const licences = text('THIRD_PARTY_LICENSES.txt');
    for (const one of named) expect(licences).toMatch(new RegExp(`^${one} \\d[^ ]* \\([\\w.-]+\\)$`, 'm'));
    expect(licences.match(/Version 2\.0, January 2004/g)?.length).toBeGreaterThan(0);
    expect(licences).toContain('Luciano Mammino');
    expect(licences).toContain('Public Suffix List');
  });

  test('has the same bytes when it is packaged elsewhere, later, and in another time zone', async () => {
    const zone = process.env['TZ'];
    process.env['TZ'] = 'Pacific/Auckland';
    try {
      const again = await functionZip(join(import.meta.dirname, '../..'), `functions/${name}`);
      expect(Buffer.from(again).equals(readFileSync(zipOf(name)))).toBe(true);
    } finally {
      if (zone === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zone;
    }
  });

  test('is smaller than a megabyte', () => {
    expect(statSync(zipOf(name)).size).toBeLessThan(LARGEST_ZIP);
  });

  test('bundles the AWS SDK and requires only modules of Node and the files beside it', () => {
    const bundle = Buffer.from(unzip(zipOf(name)).get(`functions/${name}.js`) ?? []).toString();
    // Behind a bracket it is advice in an error message of the SDK.
    const required = [...bundle.matchAll(/(?<!\[)\b(?:require|import)\("([^"]+)"\)/g)].map(
      ([, specifier = '']) => specifier,
    );
    const builtin = (specifier: string) => process.getBuiltinModule(specifier) !== undefined;
    expect(required.length).toBeGreaterThan(0);
    expect(new Set(required.filter((specifier) => !builtin(specifier)))).toEqual(
      new Set(BESIDE.map((one) => `./${one}.js`)),
    );
  });

  test('contains no path of the machine that built it', () => {
    const bundle = Buffer.from(unzip(zipOf(name)).get(`functions/${name}.js`) ?? []).toString();
    expect(bundle).not.toContain(join(import.meta.dirname, '../..'));
  });
});

test('dispatch loads and reports that QUEUE_URL is missing', async () => {
  expect(await invoke('dispatch', {})).toEqual({
    errorType: 'SETTINGS_INVALID',
    errorMessage: 'QUEUE_URL is missing.',
  });
});

test('refresh loads and refuses an empty list of connections', async () => {
  expect(await invoke('refresh', { connections: [] })).toMatchObject({ errorType: 'INPUT_INVALID' });
});

test('the list of public suffixes is found beside the function, and only hosts of one owner are accepted', async () => {
  expect(await invoke('refresh', { connections: [] }, { LOGIN_HOSTS: '*.acme.co.uk' })).toMatchObject({
    errorType: 'INPUT_INVALID',
  });
  expect(await invoke('refresh', { connections: [] }, { LOGIN_HOSTS: '*.co.uk,http://localhost:*' })).toEqual({
    errorType: 'SETTINGS_INVALID',
    errorMessage:
      'entry 2 of LOGIN_HOSTS is a local stand-in, and there is none in Lambda; ' +
      'entry 1 of LOGIN_HOSTS is a star before a public suffix, below which anybody may register.',
  });
});

test('rotate loads and refuses a step that Secrets Manager does not have', async () => {
  const event = {
    Step: 'eraseSecret',
    SecretId: 'appflow-token-refresher-tokens/sf',
    ClientRequestToken: '9d1f5f3e-3a52-4f6c-9a8e-5b1d2f3c4d5e',
  };
  expect(await invoke('rotate', event)).toMatchObject({ errorType: 'INPUT_INVALID' });
});

test('heal loads and refuses an event that is not from AppFlow', async () => {
  expect(await invoke('heal', { source: 'aws.ec2' })).toMatchObject({ errorType: 'INPUT_INVALID' });
});

test('the bundles run where no packages are in reach', () => {
  const folder = unpack(zipOf('refresh'));
  folders.push(folder);
  const above = folder.split('/').map((_, index, parts) => join('/', ...parts.slice(0, index + 1), 'node_modules'));
  expect(above.filter((path) => existsSync(path))).toEqual([]);
});
