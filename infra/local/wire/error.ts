export class AwsError extends Error {
  readonly code: string;
  readonly status: number;
  /** SQS once spoke another protocol, and still sends the old code beside the new one. */
  readonly queryCode: string | undefined;

  constructor(code: string, message: string, status = 400, queryCode?: string) {
    super(message);
    this.code = code;
    this.status = status;
    this.queryCode = queryCode;
  }
}

/** Makes the errors of one code. */
export function errorOf(code: string, status?: number): (message: string) => AwsError {
  return (message) => new AwsError(code, message, status);
}
