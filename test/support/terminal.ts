/** Loaded before the command line: what it asks of a terminal is there, and keys are pressed by writing to its stdin. */
Object.defineProperty(process.stdin, 'isTTY', { value: true });
Object.defineProperty(process.stdin, 'setRawMode', { value: () => process.stdin });
Object.defineProperty(process.stderr, 'isTTY', { value: true });
if (process.env['COLUMNS'] !== undefined)
  Object.defineProperty(process.stderr, 'columns', { value: Number(process.env['COLUMNS']) });
// A terminal that is closed: reading fails as it does there.
process.on('SIGUSR2', () => process.stdin.destroy(Object.assign(new Error('read EIO'), { code: 'EIO' })));
