import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { unzipSync } from 'fflate';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const cache = join(root, 'node_modules/.cache/packaged');
/** All that the packaging reads. */
const INPUTS = [
  'serverless.yml',
  'functions',
  'infra/aws',
  'infra/packaging',
  'LICENSE',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
];
/** Milliseconds that the packaging may take on a busy machine. */
const LONGEST = 120_000;

/** What `osls package` leaves, by function name where there is one of a kind for each. */
export interface Packaged {
  /** The CloudFormation template. */
  readonly templatePath: string;
  /** The service as the framework understood it. */
  readonly statePath: string;
  /** Paths of the zips. */
  readonly zips: ReadonlyMap<string, string>;
}

/**
 * Runs `osls package` once for one state of the sources, however many test files ask. It runs on a copy of the project, since the framework
 * writes beside serverless.yml whatever it is told, and with an environment of its own, so that it can lean neither on credentials nor on
 * settings of the person who runs the tests.
 */
export async function packaged(): Promise<Packaged> {
  const target = join(cache, digestOf(INPUTS.map((name) => join(root, name))));
  if (!existsSync(target)) await packageInto(target);
  const zips = readdirSync(target).filter((name) => name.endsWith('.zip'));
  return {
    templatePath: join(target, 'cloudformation-template-update-stack.json'),
    statePath: join(target, 'serverless-state.json'),
    zips: new Map(zips.map((name) => [name.slice(0, -'.zip'.length), join(target, name)])),
  };
}

/** Whoever comes first does it; test files that ask meanwhile, each in a process of its own, wait for it. */
async function packageInto(target: string): Promise<void> {
  const lock = `${target}.lock`;
  mkdirSync(cache, { recursive: true });
  for (let waited = 0; !existsSync(target); waited += 250) {
    try {
      mkdirSync(lock);
    } catch {
      // Its owner may have been killed, and then never comes back.
      if (waited > LONGEST) rmSync(lock, { recursive: true, force: true });
      await wait(250);
      continue;
    }
    try {
      if (!existsSync(target)) await packageAlone(target);
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
}

async function packageAlone(target: string): Promise<void> {
  await inCopyOfProject(async (project, osls) => {
    await osls([]);
    forgetOlderThan(86_400);
    // Copied, since a rename does not cross file systems, but visible only as a whole.
    cpSync(join(project, '.serverless'), `${target}.part`, { recursive: true });
    renameSync(`${target}.part`, target);
  });
}

/** What `osls package` says when it refuses to package with these parameters, each `name=value`. */
export async function refusalOf(parameters: readonly string[]): Promise<string> {
  return inCopyOfProject(async (project, osls) => {
    const said = await osls(parameters.map((parameter) => `--param=${parameter}`)).then(
      () => 'It packaged.',
      (error: Error) => error.message,
    );
    const left = existsSync(join(project, '.serverless')) ? readdirSync(join(project, '.serverless')) : [];
    return [said, ...left.filter((name) => name.endsWith('.zip'))].join('\n');
  });
}

/** In the system's temporary directory: Node runs no TypeScript below a node_modules. */
async function inCopyOfProject<T>(
  use: (project: string, osls: (options: string[]) => Promise<unknown>) => Promise<T>,
): Promise<T> {
  const project = realpathSync(mkdtempSync(join(tmpdir(), 'project-')));
  try {
    for (const name of INPUTS) cpSync(join(root, name), join(project, name), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'), 'dir');
    const env = { PATH: `${join(root, 'node_modules/.bin')}:/usr/bin:/bin`, HOME: project, CI: 'true' };
    return await use(project, (options) =>
      run(join(root, 'node_modules/.bin/osls'), ['package', ...options], { cwd: project, env, timeout: LONGEST }).catch(
        (error: { stdout?: string; stderr?: string }) => {
          throw new Error(`osls package failed: ${error.stdout ?? ''}${error.stderr ?? ''}`);
        },
      ),
    );
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
}

function forgetOlderThan(seconds: number): void {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name);
    if (Date.now() - statSync(path).mtimeMs > seconds * 1000) rmSync(path, { recursive: true, force: true });
  }
}

function digestOf(paths: readonly string[]): string {
  const hash = createHash('sha256');
  const add = (path: string) => {
    if (statSync(path).isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name));
    else hash.update(`${path}\n`).update(readFileSync(path)).update('\n');
  };
  paths.forEach(add);
  return hash.digest('hex').slice(0, 32);
}

/** The files of a zip by their paths in it. */
export function unzip(path: string): Map<string, Uint8Array> {
  return new Map(Object.entries(unzipSync(readFileSync(path))));
}

/** Unpacks a zip into a new empty folder far from the project and its node_modules. The caller removes it. */
export function unpack(path: string): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'unpacked-')));
  for (const [name, content] of unzip(path)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}
