/**
 * A box around a secret value. However it is printed (template, JSON, console, logger, debugger's inspect), it shows
 * `[redacted]`; only `reveal` opens it. Secrets are boxed where they are read and opened where they are sent.
 */
export class Redacted {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[redacted]';
  }
}
