#!/usr/bin/env node
// What `npx --no-install appflow-token-refresher` starts, under whatever Node the machine has (20 or newer) and perhaps before anything is installed.
// It installs what is missing and goes on under Node 24, in this process where it is one already.
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import { isNode24, underNode24 } from '../node24.mjs';

await import('../install.mjs');

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
// Compiled once, it starts in half the time.
const cache = path('../../node_modules/.cache/appflow-token-refresher');
if (isNode24) {
  module.enableCompileCache(cache);
  await import('./main.ts');
} else {
  underNode24('appflow-token-refresher', [path('main.ts'), ...process.argv.slice(2)], {
    NODE_COMPILE_CACHE: cache,
    ...process.env,
  });
}
