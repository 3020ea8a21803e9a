import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { shippedPackages, thirdPartyLicences } from '../../infra/packaging/licences.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'licences-'));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Installs a package, and returns a module of it. */
function install(path: string, manifest: object, files: Readonly<Record<string, string>> = {}): string {
  const folder = join(root, 'node_modules', path);
  const contents = { 'package.json': JSON.stringify({ version: '1.0.0', ...manifest }), 'lib/index.js': '', ...files };
  for (const [name, content] of Object.entries(contents)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return join(folder, 'lib/index.js');
}

test('a licence that is not on the list stops the packaging, and every package with one is named', () => {
  const modules = [
    install('a', { name: 'a', license: 'GPL-3.0-only' }, { LICENSE: 'text' }),
    install('@b/c', { name: '@b/c' }, { LICENSE: 'text' }),
    install('d', { name: 'd', license: 'MIT' }, { LICENSE: 'text' }),
  ];
  expect(() => shippedPackages(modules)).toThrow(
    'A bundle cannot be passed on: @b/c 1.0.0 has the licence "", which is not on the list of those allowed; ' +
      'a 1.0.0 has the licence "GPL-3.0-only", which is not on the list of those allowed.',
  );
});

test('a package without a licence file stops the packaging', () => {
  expect(() => shippedPackages([install('a', { name: 'a', license: 'MIT' }, { 'LICENSES.js': '' })])).toThrow(
    'A bundle cannot be passed on: a 1.0.0 has no licence file.',
  );
  expect(() => shippedPackages([install('b', { name: 'b', license: 'Apache-2.0' })])).toThrow('has no licence file');
});

test('a package needs no licence file where its licence asks for none, or where the same text comes with another', () => {
  const modules = [
    install('a', { name: 'a', license: 'MIT-0' }),
    install('b', { name: 'b', license: 'Apache-2.0' }),
    install('c', { name: 'c', license: 'Apache-2.0' }, { LICENSE: 'text' }),
  ];
  expect(shippedPackages(modules).map(({ name }) => name)).toEqual(['a', 'b', 'c']);
});

test('the texts are told once each, with notices, and each version of a package once', () => {
  const modules = [
    install('a', { name: 'a', license: 'MIT' }, { 'LICENSE.md': 'one\r\ntext\r\n' }),
    install('b', { name: 'b', license: 'ISC' }, { Licence: 'one\ntext', 'NOTICE.txt': 'b was made by B' }),
    install('b/node_modules/a', { name: 'a', license: 'MIT' }, { COPYING: 'one\ntext' }),
    install('c/node_modules/a', { name: 'a', version: '2.0.0', license: 'MIT' }, { COPYING: 'another' }),
    join(root, 'functions/refresh.ts'),
  ];
  const text = thirdPartyLicences(shippedPackages(modules));
  expect(text).toContain('\na 1.0.0 (MIT)\na 2.0.0 (MIT)\nb 1.0.0 (ISC)\n');
  const [, ...sections] = text.split(`${'='.repeat(80)}\n`).map((section) => section.trim());
  expect(sections).toEqual(['a 1.0.0\nb 1.0.0\n\none\ntext', 'a 2.0.0\n\nanother', 'b 1.0.0\n\nb was made by B']);
});
