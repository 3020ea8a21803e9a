#!/usr/bin/env node
// What `npx --no-install appflow-token-refresher` starts, under whatever Node the machine has (20 or newer) and perhaps before anything is installed.
// It installs what is missing and goes on under Node 24, in this process where it is one already.
import { spawn } from 'node:child_process';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

await import('../install.mjs');

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
// Compiled once, it starts in half the time.
const cache = path('../../node_modules/.cache/appflow-token-refresher');
const [major] = process.versions.node.split('.');
if (Number(major) >= 24) {
  module.enableCompileCache(cache);
  await import('./main.ts');
} else {
  const arguments_ = [path('main.ts'), ...process.argv.slice(2)];
  const child = spawn(path('../../node_modules/.bin/node'), arguments_, {
    stdio: 'inherit',
    env: { NODE_COMPILE_CACHE: cache, ...process.env },
  });
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => {
    // A terminal sends Ctrl-C to both of us, and the second one means "stop at once" to the child.
    if (!process.stdin.isTTY && !process.stderr.isTTY) child.kill('SIGINT');
  });
  child.once('error', (error) => {
    process.stderr.write(`appflow-token-refresher: Node 24 could not be started (${error.message}).\n`);
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
