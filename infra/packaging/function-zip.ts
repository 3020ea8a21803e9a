import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from './bundle.ts';
import { shippedPackages, thirdPartyLicences } from './licences.ts';
import { reproducibleZip } from './zip.ts';

/**
 * The zip of a function: its bundle, our licence, and those of the packages in it. The same sources and packages give the same bytes.
 *
 * @param root the folder of the project
 * @param entry the function's file without its ending, such as `functions/refresh`
 */
export async function functionZip(root: string, entry: string): Promise<Uint8Array> {
  const { files, modules } = await bundle(root, entry);
  const licences = Buffer.from(thirdPartyLicences(shippedPackages(modules)));
  const licence = readFileSync(join(root, 'LICENSE'));
  return reproducibleZip(new Map([...files, ['LICENSE', licence], ['THIRD_PARTY_LICENSES.txt', licences]]));
}
