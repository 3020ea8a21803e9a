/** What a function writes while it runs: Lambda sends it to CloudWatch Logs, line by line. */
import { AsyncLocalStorage } from 'node:async_hooks';

type Sink = (line: string) => void;

const running = new AsyncLocalStorage<Sink>();
let active = 0;
let restore = (): void => undefined;

/**
 * Hands each line that `run` writes to `sink`, and lets it go on to where it was going. Powertools writes straight to the streams of the process,
 * which many functions share here, even those of several worlds: whose line it is follows from who is running.
 */
export async function withWritten<T>(sink: Sink, run: () => Promise<T>): Promise<T> {
  if (active === 0) restore = listen();
  active += 1;
  try {
    return await running.run(sink, run);
  } finally {
    active -= 1;
    if (active === 0) restore();
  }
}

function listen(): () => void {
  const streams = [process.stdout, process.stderr].map((stream) => ({ stream, write: stream.write }));
  for (const { stream, write } of streams) {
    stream.write = (chunk: string | Uint8Array, ...rest: never[]) => {
      const written = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      const sink = running.getStore();
      if (sink !== undefined) for (const line of written.split('\n')) if (line !== '') sink(line);
      return Reflect.apply(write, stream, [chunk, ...rest]);
    };
  }
  return () => {
    for (const { stream, write } of streams) stream.write = write;
  };
}
