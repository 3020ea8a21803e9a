import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT, note } from './output.ts';
import { SIGNALS } from './session.ts';

/**
 * Opens an address in the person's browser. Other users of this machine may see the arguments of its programs, and who knows the `state` in the
 * address can end the log-in: so the browser is given a file that only this user can read, which leads on.
 *
 * @returns what takes the file away again; so does a signal that ends the command
 */
export async function openPage(page: URL): Promise<Disposable> {
  // The browser of Windows does not find files by the names of Linux, and arguments are not open to others there.
  const isWindows = process.platform === 'win32' || process.env['WSL_DISTRO_NAME'] !== undefined;
  const directory = isWindows ? undefined : await mkdtemp(join(tmpdir(), 'appflow-token-refresher-'));
  const file = directory === undefined ? undefined : join(directory, 'log-in.html');
  const remove = () => {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  };
  const interrupt = () => {
    remove();
    process.exit(EXIT.interrupted);
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    if (file !== undefined) await writeFile(file, leadingTo(page), { mode: 0o600, flag: 'wx' });
    const { default: open } = await import('open');
    // A machine without a browser: the address is on the terminal.
    (await open(file ?? page.href)).once('error', () => undefined);
    note`If the browser shows no log-in page, open that address in it.`;
  } catch {
    note`No browser could be opened here: open that address in one on this machine.`;
  }
  return {
    [Symbol.dispose]() {
      for (const signal of SIGNALS) process.off(signal, interrupt);
      remove();
    },
  };
}

/** A serialised URL has neither quotes nor angle brackets. */
function leadingTo({ href }: URL): string {
  return `<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url=${href.replaceAll('&', '&amp;')}"><title>appflow-token-refresher</title>
`;
}
