/** Loaded before the command line: what it asks of a terminal is there, and keys are pressed by writing to its stdin. */
Object.defineProperty(process.stdin, 'isTTY', { value: true });
Object.defineProperty(process.stdin, 'setRawMode', { value: () => process.stdin });
Object.defineProperty(process.stderr, 'isTTY', { value: true });
