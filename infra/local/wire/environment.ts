/** The account that all local services live in. */
export interface Environment {
  readonly now: () => Date;
  readonly region: string;
  readonly accountId: string;
  /** `arn('sqs', 'name')` → `arn:aws:sqs:us-east-1:123456789012:name` */
  arn(service: string, resource: string): string;
}
