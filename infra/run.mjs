// Runs a script of ours, a path from the root of the project, under Node 24: `node infra/run.mjs SCRIPT [ARGUMENT …]`. It installs what is missing
// first. A shell that has called the machine's own `node` once may remember it, and would not find the one that has just been installed.
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isNode24, underNode24 } from './node24.mjs';

await import('./install.mjs');

const [self = '', , script = '', ...rest] = process.argv;
const path = fileURLToPath(new URL(`../${script}`, import.meta.url));
if (isNode24) {
  process.argv = [self, path, ...rest];
  await import(pathToFileURL(path).href);
} else {
  underNode24('run', [path, ...rest]);
}
