import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'install-'));
  cpSync(join(import.meta.dirname, '../../infra/install.mjs'), join(root, 'infra/install.mjs'));
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { '': {} } }));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Runs install.mjs with an `npm` that brings a Node which ends with a status, or none. */
function install(machine: string, brings: number | undefined, version = '24.21.0') {
  const bin = join(root, 'bin');
  mkdirSync(bin, { recursive: true });
  const node = join(root, 'node_modules/.bin/node');
  const bring =
    brings === undefined ? '' : `printf '#!/bin/sh\\necho v${version}\\nexit ${brings}\\n' > ${node}; chmod +x ${node}`;
  writeFileSync(
    join(bin, 'npm'),
    `#!/bin/sh\necho "$@" >> ${root}/asked\nmkdir -p ${root}/node_modules/.bin\n${bring}\n`,
  );
  chmodSync(join(bin, 'npm'), 0o755);
  const asked = `for (const [name, value] of [['versions', { ...process.versions, node: '${machine}' }], ['version', 'v${machine}']]) Object.defineProperty(process, name, { value })`;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(asked)}`, join(root, 'infra/install.mjs')],
    { encoding: 'utf8', env: { PATH: `${bin}:/usr/bin:/bin` } },
  );
  return { status, stderr, hasNode: existsSync(node) };
}

test('an older Node on the machine is enough where a package brings Node 24', () => {
  expect(install('20.19.0', 0)).toMatchObject({ status: 0, hasNode: true });
});

test('where no package of Node fits, a machine with an older one is told in one line', () => {
  const { status, stderr } = install('22.1.0', undefined);
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /\ninstall: There is no Node 24 for \S+ \S+ among the packages: install Node 24 or newer yourself\.\n$/,
  );
});

test('where no package of Node fits, Node 24 on the machine serves', () => {
  expect(install('24.1.0', undefined)).toMatchObject({ status: 0, hasNode: false });
});

test('a package of Node that does not run here is put out of the way of the one that does', () => {
  expect(install('24.1.0', 127)).toMatchObject({ status: 0, hasNode: false });
  expect(install('20.19.0', 127)).toMatchObject({ status: 1 });
});

test.each([
  ['24.21.0', '24.0.0', false],
  ['26.1.0', '24.18.1', false],
  ['24.0.0', '24.21.0', true],
  ['24.9.0', '24.21.0', true],
  ['24.21.0', '24.21.0', true],
  ['22.22.0', '24.0.0', true],
])("of the machine's Node %s and a package's %s, the newer one from 24 on serves", (machine, brought, hasNode) => {
  expect(install(machine, 0, brought)).toMatchObject({ status: 0, hasNode });
});

test('what is installed is not installed again', () => {
  expect(install('24.1.0', undefined).stderr).toContain('Installing');
  expect(install('24.1.0', undefined)).toEqual({ status: 0, stderr: '', hasNode: false });
});

test('a Node older than npm scripts need is refused before anything is fetched', () => {
  const { status, stderr } = install('18.20.0', 0);
  expect(status).toBe(1);
  expect(stderr).toBe('install: Node 18.20.0 is too old: version 20 or newer is needed.\n');
  expect(existsSync(join(root, 'asked'))).toBe(false);
});
