/** Characters of a secret that may be seen together at most, less one. */
const PIECE = 12;

/** Finds pieces of secrets in whatever a program has said: as they are, and in base64, base64url, hex or percent-encoding. */
export class Secrets {
  readonly #pieces = new Map<string, string>();
  /** Texts that were clean before: most outputs are the same few sentences. */
  readonly #clean = new Set<string>();

  /** @param name what a finding calls it */
  add(name: string, secret: string): void {
    for (const form of formsOf(secret))
      for (let at = 0; at + PIECE <= form.length; at++) this.#pieces.set(form.slice(at, at + PIECE), name);
    this.#clean.clear();
  }

  /** A PEM without its first and last line, which are no secret. */
  addPem(name: string, pem: string): void {
    for (const line of pem.split('\n')) if (!line.startsWith('-----')) this.add(name, line.trim());
  }

  get size(): number {
    return this.#pieces.size;
  }

  /** The name of a secret that a piece of is in the text. */
  in(text: string): string | undefined {
    if (this.#clean.has(text)) return undefined;
    for (let at = 0; at + PIECE <= text.length; at++) {
      const found = this.#pieces.get(text.slice(at, at + PIECE));
      if (found !== undefined) return found;
    }
    if (this.#clean.size > 20_000) this.#clean.clear();
    if (text.length < 4_000) this.#clean.add(text);
    return undefined;
  }
}

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  // Three alignments: where a secret begins in what was encoded is not known. The last characters depend on what follows.
  const base64 = [0, 1, 2].map((skipped) =>
    bytes
      .subarray(skipped)
      .toString('base64')
      .replace(/.{0,2}=*$/, ''),
  );
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    hex,
    hex.toUpperCase(),
    ...base64,
    ...base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ];
}
