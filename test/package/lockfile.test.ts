import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { expect, test } from 'vitest';

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
const Lock = v.object({
  packages: v.record(
    v.string(),
    v.object({
      version: v.optional(v.string()),
      resolved: v.optional(v.string()),
      integrity: v.optional(v.string()),
      link: v.optional(v.boolean()),
      hasInstallScript: v.optional(v.boolean(), false),
      optional: v.optional(v.boolean(), false),
    }),
  ),
});
const Manifest = v.object({
  optionalDependencies: v.record(v.string(), v.string()),
  scripts: v.record(v.string(), v.string()),
});

const { packages } = v.parse(Lock, JSON.parse(read('package-lock.json')));
const locked = Object.entries(packages).filter(([path]) => path !== '');
const manifest = v.parse(Manifest, JSON.parse(read('package.json')));

/** They have an install script, which never runs here, and why nothing is missed. */
const WITHOUT_THEIR_SCRIPT: Readonly<Record<string, string>> = {
  'node_modules/es5-ext': 'it prints a message',
  'node_modules/esbuild':
    'it puts a binary in the place of a script that starts it, and would fetch one that is missing',
  // Of no machine but a Mac: watching files of vitest in development, which has another way.
  'node_modules/fsevents': 'it builds what is built already in the package',
};

test('every package is held to a hash, and comes from the registry', () => {
  expect(locked.length).toBeGreaterThan(300);
  for (const [path, { integrity, link, resolved }] of locked) {
    expect(integrity, path).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
    expect(link, path).toBeUndefined();
    // Left out, it is the registry that npm is set to.
    if (resolved !== undefined) expect(resolved, path).toMatch(/^https:\/\/registry\.npmjs\.org\//);
  }
});

test('no package runs a script when it is installed', () => {
  expect(read('.npmrc').split('\n')).toContain('ignore-scripts=true');
  const scripted = locked.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path);
  for (const path of scripted) expect(WITHOUT_THEIR_SCRIPT, path).toHaveProperty([path]);
});

test('our own scripts do without what npm then leaves out: scripts that run before or after another', () => {
  const names = Object.keys(manifest.scripts);
  const hooks = names.filter((name) => /^(pre|post)/.test(name) && names.includes(name.replace(/^(pre|post)/, '')));
  expect(hooks).toEqual([]);
  for (const script of Object.values(manifest.scripts))
    expect(script).toMatch(/^(node infra\/(install\.mjs &&|run\.mjs) |npm run )/);
});

test('Node 24 is a locked package for each platform that has one, in one exact version', () => {
  const names = Object.keys(manifest.optionalDependencies);
  expect(names.length).toBeGreaterThan(4);
  for (const [name, version] of Object.entries(manifest.optionalDependencies)) {
    expect(version).toMatch(/^24\.\d+\.\d+$/);
    expect(packages[`node_modules/${name}`]).toMatchObject({ version, optional: true, hasInstallScript: false });
  }
  expect(packages).not.toHaveProperty(['node_modules/node']);
});
