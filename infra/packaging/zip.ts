import { type Zippable, zipSync } from 'fflate';

/** A plain file that everybody may read: the function runs as another user than the one who unpacks it. */
const attrs = 0o100644 << 16;

/** A zip that depends on names and contents alone: not on the order, the clock, the time zone, the umask or the machine. */
export function reproducibleZip(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const names = [...files.keys()].sort();
  // The earliest date of the format. fflate writes it down as the machine's time zone has it, so it is made in that zone.
  const mtime = new Date(1980, 0, 1);
  const entries: Zippable = {};
  for (const name of names) {
    const content = files.get(name);
    if (content !== undefined) entries[name] = [content, { level: 9, mtime, os: 3, attrs }];
  }
  return zipSync(entries);
}
