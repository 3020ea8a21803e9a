import { AppflowClient } from '@aws-sdk/client-appflow';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { appflowAdapter, flowsAdapter } from '../adapters/appflow.ts';
import { flowsInUse, flowUses } from '../adapters/flows.ts';
import { noticesAdapter } from '../adapters/notices.ts';
import { escrowAdapter } from '../adapters/parameter-store.ts';
import { queueAdapter } from '../adapters/queue.ts';
import { salesforceAdapter } from '../adapters/salesforce.ts';
import { secretsAdapter } from '../adapters/secrets.ts';
import { signerAdapter } from '../adapters/signer.ts';
import { tokenStoreAdapter } from '../adapters/token-store.ts';
import { TARGET_TAGS } from '../core/connection/target.ts';
import type { Rules } from '../core/context.ts';
import type { Ports } from '../core/ports.ts';
import { REQUEST_TIMEOUT_MS } from '../core/run.ts';
import type { Settings } from './settings.ts';
import { type Product, VERSION } from './version.ts';

/** What the use cases need, joined: the only place where adapters meet core. */
export interface Parts {
  readonly rules: Rules;
  readonly ports: Ports;
  /** Requests that were sent to AWS so far, retries included. */
  readonly awsCalls: () => number;
}

/** Counts what leaves for AWS, retries included. One for all clients: they share its connections. */
class CountingHandler extends NodeHttpHandler {
  count = 0;

  override handle(...args: Parameters<NodeHttpHandler['handle']>): ReturnType<NodeHttpHandler['handle']> {
    this.count += 1;
    return super.handle(...args);
  }
}

/** @param product whose requests these are */
export function compose(settings: Settings, product: Product): Parts {
  // In milliseconds: a call that hangs must leave time for another.
  const requestHandler = new CountingHandler({
    connectionTimeout: 3_000,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // From the headers of an answer to its end.
    socketTimeout: REQUEST_TIMEOUT_MS,
    throwOnRequestTimeout: true,
  });
  // Retries are ours. Endpoint, Region and credentials come from the SDK's standard variables.
  const customUserAgent: [string, string][] = [[product, VERSION]];
  const config = { maxAttempts: 1, requestHandler, customUserAgent };
  const once = <T>(load: () => Promise<T>) => {
    let loaded: Promise<T> | undefined;
    return () => {
      loaded ??= load();
      return loaded;
    };
  };

  const appflow = new AppflowClient(config);
  const flows = flowsAdapter(appflow);
  const inUse = flowsInUse(appflow, flows.flow);
  const secretsManager = new SecretsManagerClient(config);
  const kms = once(async () => new (await import('@aws-sdk/client-kms')).KMSClient(config));
  const ssm = once(async () => new (await import('@aws-sdk/client-ssm')).SSMClient(config));

  const events = once(async () => new (await import('@aws-sdk/client-eventbridge')).EventBridgeClient(config));
  // Without the SDK's own check of MD5: TLS keeps what is sent whole, and the check throws errors of no service.
  const sqs = once(async () => new (await import('@aws-sdk/client-sqs')).SQSClient({ ...config, md5: false }));

  return {
    rules: settings,
    ports: {
      appflow: appflowAdapter(appflow),
      flows: { ...flows, inUse, flowsOf: flowUses(inUse) },
      secrets: secretsAdapter(secretsManager, TARGET_TAGS),
      store: tokenStoreAdapter(secretsManager, settings.tokenKmsKeyId),
      salesforce: salesforceAdapter,
      signer: signerAdapter(kms),
      escrow: escrowAdapter(ssm, settings.escrowPrefix, settings.tokenKmsKeyId),
      queue: queueAdapter(sqs, settings.queueUrl ?? ''),
      notices: noticesAdapter(events),
    },
    awsCalls: () => requestHandler.count,
  };
}
