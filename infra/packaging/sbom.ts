import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { bundle } from './bundle.ts';
import { shippedPackages } from './licences.ts';

/**
 * `npm run sbom`: leaves `.serverless/sbom.cdx.json`, in CycloneDX. It lists the packages of which something is in a zip, as npm describes them,
 * with the hashes of package-lock.json. It has neither a time nor a serial number: the same packages give the same bytes.
 */
const root = join(import.meta.dirname, '../..');

const Component = v.looseObject({ 'bom-ref': v.string(), name: v.string(), version: v.string() });
const Sbom = v.looseObject({
  metadata: v.looseObject({ component: Component }),
  components: v.array(Component),
  dependencies: v.array(v.object({ ref: v.string(), dependsOn: v.array(v.string()) })),
});

const entries = globSync('functions/*.ts', { cwd: root }).map((path) => path.replace(/\.ts$/, ''));
const bundles = await Promise.all(entries.map((entry) => bundle(root, entry)));
const shipped = shippedPackages(bundles.flatMap(({ modules }) => [...modules]));

// All of them: where npm is asked to leave out what is for development alone, it leaves out what is for both.
const answer = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
  shell: process.platform === 'win32',
});
const { serialNumber: _number, metadata, components, dependencies, ...rest } = v.parse(Sbom, JSON.parse(answer));
const { timestamp: _time, ...about } = metadata;

const wanted = shipped.map(({ name, version }) => `${name}@${version}`);
const listed = wanted.map((name) => {
  const component = components.find((one) => one['bom-ref'] === name);
  if (component === undefined) throw new Error(`npm does not list ${name}, which is in a bundle.`);
  return component;
});
const product = about.component['bom-ref'];
const known = new Set([...wanted, product]);
const sbom = {
  ...rest,
  // npm takes the name of the folder.
  metadata: { ...about, component: { ...about.component, name: product.replace(/@[^@]*$/, '') } },
  components: listed,
  dependencies: dependencies
    .filter(({ ref }) => known.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => known.has(one)) })),
};

const path = '.serverless/sbom.cdx.json';
mkdirSync(join(root, '.serverless'), { recursive: true });
writeFileSync(join(root, path), `${JSON.stringify(sbom, null, 2)}\n`);
process.stdout.write(`${path}: ${listed.length} packages\n`);
