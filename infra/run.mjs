// Runs a script of ours, a path from the root of the project, under Node 24: `node infra/run.mjs SCRIPT [ARGUMENT …]`. It installs what is missing
// first. A shell that has called the machine's own `node` once may remember it, and would not find the one that has just been installed.
import { spawn } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';

await import('./install.mjs');

const [self = '', , script = '', ...rest] = process.argv;
const path = fileURLToPath(new URL(`../${script}`, import.meta.url));
const [major] = process.versions.node.split('.');
if (Number(major) >= 24) {
  process.argv = [self, path, ...rest];
  await import(pathToFileURL(path).href);
} else {
  const node = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  const child = spawn(node, [path, ...rest], { stdio: 'inherit', shell: process.platform === 'win32' });
  // A terminal sends Ctrl-C to both of us: the child decides what comes of it. Anybody else sends it to us alone.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'])
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  child.once('error', (error) => {
    process.stderr.write(`run: Node 24 could not be started (${error.message}).\n`);
    process.exitCode = 1;
  });
  child.once('exit', (code, signal) => {
    if (signal === null) process.exitCode = code ?? 1;
    else {
      // End as the child did, so that a shell sees why.
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
  });
}
