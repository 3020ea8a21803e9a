import type { SSMClient } from '@aws-sdk/client-ssm';
import * as v from 'valibot';
import type { Escrow } from '../core/ports.ts';
import { Redacted } from '../core/redacted.ts';
import { behindArn, list, pages, readable, text } from './aws-answer.ts';
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
      const asked = call('PutParameter', Name);
      await callAws(
        asked,
        run,
        async (options) => readable(PutAnswer, await client.send(command, options), asked),
        ONCE,
      );
      return `the parameter ${Name}`;
    },
    async find(connection, run) {
      const { GetParameterCommand } = await import('@aws-sdk/client-ssm');
      const Name = prefix + encoded(connection);
      const client = await load();
      const asked = call('GetParameter', Name);
      const answer = await callAws(asked, run, async (options) => {
        const found = await unlessMissing(() =>
          client.send(new GetParameterCommand({ Name, WithDecryption: true }), options),
        );
        // Without a value it is no answer: what lies in escrow must not be taken for gone.
        return found === undefined ? undefined : readable(ParameterAnswer, found, asked);
      });
      return answer === undefined ? undefined : new Redacted(answer.Parameter.Value);
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
      const asked = call('DescribeParameters', '*');
      const get = (NextToken: string | undefined) => {
        const ParameterFilters = [{ Key: 'Path', Option: 'OneLevel', Values: [prefix.slice(0, -1)] }];
        const command = new DescribeParametersCommand({ ParameterFilters, MaxResults: PAGE, NextToken });
        return callAws(asked, run, async (options) => readable(ListAnswer, await client.send(command, options), asked));
      };
      const answers = await pages(asked, get, ({ NextToken }) => NextToken);
      return answers
        .flatMap(({ Parameters }) => Parameters)
        .map(({ Name, ARN }) => behindArn(Name ?? ARN, ':parameter') ?? Name ?? '')
        .filter((name) => name.startsWith(prefix) && name.length > prefix.length)
        .map((name) => decoded(name.slice(prefix.length)));
    },
  };
}

/** Parameter Store numbers what it took. Another answer is no proof that a token was kept. */
const PutAnswer = v.object({ Version: v.number() });
const ParameterAnswer = v.object({ Parameter: v.object({ Value: v.string() }) });
const ListAnswer = v.object({ Parameters: list(v.object({ Name: text, ARN: text })), NextToken: text });

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
