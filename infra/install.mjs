// Installs what package-lock.json asks for, unless that is installed already. It runs before npm's scripts, under whatever Node the
// machine has (20 or newer) and without any package, since it is what fetches the packages and with them Node 24.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const windows = process.platform === 'win32';
// Written last, so that it vouches for an installation that ran to its end; npm ci removes it with the rest.
const stamp = new URL('node_modules/.installed', root);

/** @returns {never} */
function fail(reason) {
  process.stderr.write(`install: ${reason}\n`);
  process.exit(1);
}

function read(url) {
  try {
    return readFileSync(url, 'utf8');
  } catch {
    return undefined;
  }
}

const [major] = process.versions.node.split('.');
if (Number(major) < 20) fail(`Node ${process.versions.node} is too old: version 20 or newer is needed.`);

const lock = read(new URL('package-lock.json', root));
if (lock === undefined) fail('package-lock.json is missing: take it from the repository again.');
// The platform belongs to it: the packages bring binaries, and a directory may be shared with a container.
const wanted = createHash('sha256').update(`${process.platform} ${process.arch}\n${lock}`).digest('hex');

/** npm's own record of what it installed, held against the lock: it knows an installation that a person ran by hand. */
function installedByHand() {
  const installed = read(new URL('node_modules/.package-lock.json', root));
  if (installed === undefined) return false;
  try {
    const { packages: now } = JSON.parse(installed);
    const { packages: locked } = JSON.parse(lock);
    // Packages for other platforms are left out by npm, which the lock marks as optional.
    return Object.entries(locked).every(
      ([path, { version, optional }]) =>
        path === '' || now[path]?.version === version || (optional === true && now[path] === undefined),
    );
  } catch {
    return false;
  }
}

// Locked like every other package, one for each platform that has one.
const node = new URL('node_modules/.bin/node', root);

/**
 * The machine's own Node serves where no package fits the platform, where the one that is there does not run, such as on a Linux without glibc,
 * and where its own is a newer one: the package for Apple silicon has been left behind, and lacks what was mended since.
 */
function settleForOwnNode() {
  const asked = existsSync(node) && spawnSync(fileURLToPath(node), ['--version'], { shell: windows, encoding: 'utf8' });
  const isOwnNewer = (brought) => process.version.localeCompare(brought, 'en', { numeric: true }) > 0;
  if (asked && asked.status === 0 && !(Number(major) >= 24 && isOwnNewer(asked.stdout.trim()))) return;
  if (Number(major) < 24)
    fail(
      `There is no Node 24 for ${process.platform} ${process.arch} among the packages: install Node 24 or newer yourself.`,
    );
  // npm's scripts would find it before the machine's own.
  for (const name of ['node', 'node.cmd', 'node.ps1'])
    rmSync(new URL(`node_modules/.bin/${name}`, root), { force: true });
}

const canRun = existsSync(node) || Number(major) >= 24;
if (canRun && read(stamp) === wanted) {
  // Nothing to do.
} else if (canRun && installedByHand()) {
  settleForOwnNode();
  writeFileSync(stamp, wanted);
} else {
  process.stderr.write('Installing packages …\n');
  const { status, error, stdout, stderr } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: windows,
  });
  if (error !== undefined) fail(`npm could not be started (${error.message}).`);
  if (status !== 0) {
    // What went wrong stands first; its manual follows.
    const said = `${stderr}${stdout}`.trim().split('\n').slice(0, 10);
    process.stderr.write(`${said.join('\n')}\n`);
    fail(`npm ci failed with status ${status}; the beginning of what it said stands above.`);
  }
  settleForOwnNode();
  writeFileSync(stamp, wanted);
}
