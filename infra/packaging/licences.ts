import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';

/** A package of which something is in a bundle. */
export interface ShippedPackage {
  readonly name: string;
  readonly version: string;
  /** As SPDX has it. */
  readonly licence: string;
  /** The texts of its licence and, where it has any, of its notice, by file name. */
  readonly texts: ReadonlyMap<string, string>;
}

/** Licences that let us pass a package on in a zip. A new one is added by a person who has read it. */
const ALLOWED = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'MIT-0'];
/** These ask for nothing to be passed on with the code. */
const WITHOUT_CONDITION = ['0BSD', 'MIT-0'];
/** This one asks for its text, which is the same for everybody: one that comes with another package of the bundle will do. */
const SAME_FOR_ALL = 'Apache-2.0';
/** Texts of packages that were published without. The copyright line is the one of the package's own README. */
const PUBLISHED_WITHOUT: Readonly<Record<string, string>> = { '@middy/core': 'middy-core.licence.txt' };

/** What a package contains of somebody else's, and does not say in its own texts. */
const CONTAINS: Readonly<Record<string, string>> = {
  'tldts-icann':
    'This package contains the ICANN part of the Public Suffix List, in another form. The list is under the Mozilla Public License 2.0,\nhttps://mozilla.org/MPL/2.0/. Its source is at https://publicsuffix.org/list/public_suffix_list.dat',
};

const Manifest = v.object({ name: v.string(), version: v.string(), license: v.optional(v.string(), '') });

/**
 * The packages that modules belong to, by name, each version once.
 *
 * @param modules absolute paths
 * @throws Error that names each package which has no licence that is allowed, or no text of it
 */
export function shippedPackages(modules: Iterable<string>): ShippedPackage[] {
  const folders = new Set([...modules].flatMap((path) => PACKAGE.exec(path)?.[0] ?? []));
  // A version may lie in several folders.
  const each = new Map([...folders].map(readPackage).map((one) => [`${one.name} ${one.version}`, one]));
  const packages = [...each.values()].sort((a, b) => compare(a.name, b.name) || compare(a.version, b.version));
  const problems = packages.flatMap((one) => {
    const problem = problemWith(one, packages);
    return problem === undefined ? [] : [`${one.name} ${one.version} ${problem}`];
  });
  if (problems.length > 0) throw new Error(`A bundle cannot be passed on: ${problems.join('; ')}.`);
  return packages;
}

function problemWith({ licence, texts }: ShippedPackage, packages: readonly ShippedPackage[]): string | undefined {
  if (!ALLOWED.includes(licence)) return `has the licence "${licence}", which is not on the list of those allowed`;
  if (hasLicence(texts) || WITHOUT_CONDITION.includes(licence)) return undefined;
  if (licence === SAME_FOR_ALL && packages.some((one) => one.licence === licence && hasLicence(one.texts)))
    return undefined;
  return 'has no licence file';
}

function hasLicence(texts: ReadonlyMap<string, string>): boolean {
  return [...texts.keys()].some((file) => LICENCE.test(file));
}

/** From the last `node_modules` on: a package may have packages of its own. */
const PACKAGE = /^.*[/\\]node_modules[/\\](@[^/\\]+[/\\])?[^/\\]+/;
const LICENCE = /^(licen[cs]e|copying)([.-]|$)/i;
const NOTICE = /^notice([.-]|$)/i;

function readPackage(folder: string): ShippedPackage {
  const { name, version, license } = v.parse(Manifest, JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));
  const files = readdirSync(folder).filter((file) => LICENCE.test(file) || NOTICE.test(file));
  const texts = new Map(files.sort(compare).map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
  const ours = PUBLISHED_WITHOUT[name];
  if (ours !== undefined && !hasLicence(texts))
    texts.set('LICENSE', readFileSync(join(import.meta.dirname, ours), 'utf8'));
  const contains = CONTAINS[name];
  if (contains !== undefined) texts.set('NOTICE of contents', contains);
  return { name, version, licence: license, texts };
}

/** What goes into a zip beside the code: who is in it, and each text once, with those whom it speaks of. */
export function thirdPartyLicences(packages: readonly ShippedPackage[]): string {
  const holders = new Map<string, string[]>();
  for (const { name, version, texts } of packages)
    for (const text of texts.values()) {
      const normal = text.replaceAll('\r\n', '\n').trim();
      holders.set(normal, [...(holders.get(normal) ?? []), `${name} ${version}`]);
    }
  const sections = [...holders].map(([text, names]) => `${'='.repeat(80)}\n${names.join('\n')}\n\n${text}\n`);
  const list = packages.map(({ name, version, licence }) => `${name} ${version} (${licence})\n`);
  return `The code in this archive contains parts of these packages. Their licences and notices follow.\n\n${list.join('')}\n${sections.join('\n')}`;
}

/** By code units, so that the order is the same in every locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
