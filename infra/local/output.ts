import * as v from 'valibot';

/** What a function wrote to its log while `run` ran: Powertools writes straight to the process's streams, as Lambda wants it. */
export async function captureOutput<T>(
  run: () => Promise<T>,
): Promise<{ readonly result: T; readonly lines: readonly string[] }> {
  let written = '';
  const streams = [process.stdout, process.stderr].map((stream) => ({ stream, write: stream.write }));
  for (const { stream } of streams) {
    stream.write = (chunk: string | Uint8Array) => {
      written += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      return true;
    };
  }
  try {
    const result = await run();
    return { result, lines: written.split('\n').filter((line) => line !== '') };
  } finally {
    for (const { stream, write } of streams) stream.write = write;
  }
}

const OutcomeLine = v.object({
  connection: v.string(),
  outcome: v.string(),
  grantType: v.optional(v.string()),
  handOver: v.optional(v.string()),
  validUntil: v.nullish(v.string()),
  code: v.optional(v.string()),
  hint: v.optional(v.string()),
  message: v.string(),
});
export type OutcomeLine = v.InferOutput<typeof OutcomeLine>;

/** The lines that say what became of a connection. */
export function outcomesIn(lines: readonly string[]): OutcomeLine[] {
  return lines.flatMap((line) => {
    if (!line.startsWith('{')) return [];
    const result = v.safeParse(OutcomeLine, JSON.parse(line));
    return result.success ? [result.output] : [];
  });
}

const WarningLine = v.object({
  level: v.literal('WARN'),
  connection: v.string(),
  message: v.string(),
  outcome: v.optional(v.undefined()),
});

/** The lines that tell a person something although nothing failed, but for those that only say how far behind a connection is. */
export function warningsIn(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    if (!line.startsWith('{')) return [];
    const result = v.safeParse(WarningLine, JSON.parse(line));
    return result.success && !line.includes('overdueSeconds') ? [result.output.message] : [];
  });
}
