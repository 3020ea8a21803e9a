import type { SSMClient } from '@aws-sdk/client-ssm';
import type { Escrow } from '../core/ports.ts';
import { Redacted } from '../core/redacted.ts';
import { type AwsCall, callAws } from './aws-call.ts';

/** How often a change is tried. An attempt that got no answer could arrive after a later one, and undo it. */
const ONCE = 1;
/** The most that DescribeParameters gives on a page. */
const PAGE = 50;

/**
 * Escrow in Systems Manager Parameter Store: another service than the one that just refused.
 *
 * @param load makes the client; asked only where escrow is needed, since loading it costs start-up time
 * @param prefix path of the parameters, with slashes at both ends
 * @param kmsKeyId the key that they are encrypted under; `aws/ssm` unless given
 */
export function escrowAdapter(load: () => Promise<SSMClient>, prefix: string, kmsKeyId: string | undefined): Escrow {
  return {
    async keep(connection, value, run) {
      const { PutParameterCommand } = await import('@aws-sdk/client-ssm');
      const Name = prefix + encoded(connection);
      // Intelligent tiering, since a token record may be longer than the 4 KB of the free tier.
      const command = new PutParameterCommand({
        Name,
        Value: value.reveal(),
        Type: 'SecureString',
        Tier: 'Intelligent-Tiering',
        Overwrite: true,
        ...(kmsKeyId === undefined ? {} : { KeyId: kmsKeyId }),
      });
      const client = await load();
      await callAws(call('PutParameter', Name), run, (options) => client.send(command, options), ONCE);
      return `the parameter ${Name}`;
    },
    async find(connection, run) {
      const { GetParameterCommand } = await import('@aws-sdk/client-ssm');
      const Name = prefix + encoded(connection);
      const client = await load();
      const answer = await callAws(call('GetParameter', Name), run, (options) =>
        unlessMissing(() => client.send(new GetParameterCommand({ Name, WithDecryption: true }), options)),
      );
      const value = answer?.Parameter?.Value;
      return value === undefined ? undefined : new Redacted(value);
    },
    async remove(connection, run) {
      const { DeleteParameterCommand } = await import('@aws-sdk/client-ssm');
      const Name = prefix + encoded(connection);
      const client = await load();
      const command = new DeleteParameterCommand({ Name });
      await callAws(
        call('DeleteParameter', Name),
        run,
        (options) => unlessMissing(() => client.send(command, options)),
        ONCE,
      );
    },
    async list(run) {
      const { DescribeParametersCommand } = await import('@aws-sdk/client-ssm');
      const client = await load();
      const names: string[] = [];
      let NextToken: string | undefined;
      do {
        const input = {
          ParameterFilters: [{ Key: 'Path', Option: 'OneLevel', Values: [prefix.slice(0, -1)] }],
          MaxResults: PAGE,
          ...(NextToken === undefined ? {} : { NextToken }),
        };
        const answer = await callAws(call('DescribeParameters', '*'), run, (options) =>
          client.send(new DescribeParametersCommand(input), options),
        );
        for (const { Name } of answer.Parameters ?? [])
          if (Name !== undefined) names.push(decoded(Name.slice(prefix.length)));
        NextToken = answer.NextToken;
      } while (NextToken !== undefined);
      return names;
    },
  };
}

function call(operation: string, resource: string): AwsCall {
  return { action: `ssm:${operation}`, resource, unavailable: 'SECRETS_UNAVAILABLE' };
}

async function unlessMissing<T>(send: () => Promise<T>): Promise<T | undefined> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof Error && error.name === 'ParameterNotFound') return undefined;
    throw error;
  }
}

/** A connection's name in the characters of one path segment (`[A-Za-z0-9_.-]`): any other, and `_` itself, as `_` and two hex digits. */
function encoded(connection: string): string {
  return connection.replace(
    /[^A-Za-z0-9.-]/g,
    (character) => `_${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function decoded(segment: string): string {
  return segment.replace(/_([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
