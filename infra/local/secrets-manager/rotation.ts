/** RotateSecret: the empty pending version, and the four calls of the rotation function that follow on their own time. */
import { randomUUID } from 'node:crypto';
import type { Environment } from '../wire/environment.ts';
import { AwsError } from '../wire/error.ts';
import { invalidRequest } from './errors.ts';
import type { Secret, SecretStore } from './store.ts';
import { addPending, versionWith } from './versions.ts';

const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;

/** One rotation as it went. `error` says which step threw what, or what was left undone. */
export interface Rotation {
  readonly secretName: string;
  readonly versionId: string;
  readonly steps: readonly string[];
  readonly outcome: 'running' | 'rotated' | 'failed';
  readonly error?: string;
}

export type InvokeFunction = (functionName: string, event: unknown, requestId: string) => Promise<unknown>;

export class Rotations {
  readonly #now: () => Date;
  readonly #store: SecretStore;
  readonly #invoke: InvokeFunction | undefined;
  readonly #rotations: Rotation[] = [];
  readonly #running = new Set<Promise<void>>();

  constructor({ now }: Environment, store: SecretStore, invoke: InvokeFunction | undefined) {
    this.#now = now;
    this.#store = store;
    this.#invoke = invoke;
  }

  /** @throws InvalidRequestException where a rotation is not set up, or the last one never ended. */
  start(secret: Secret, versionId: string): void {
    if (secret.rotation === undefined) {
      throw invalidRequest('No Lambda rotation function ARN is associated with this secret.');
    }
    if (this.#invoke === undefined) {
      throw new AwsError(
        'AccessDeniedException',
        'Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.',
      );
    }
    if (versionWith(secret.versions, 'AWSCURRENT')?.id === versionId) return;
    const pending = versionWith(secret.versions, 'AWSPENDING');
    if (pending !== undefined && !pending.stages.has('AWSCURRENT')) {
      throw invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.");
    }
    if (secret.versions.has(versionId)) {
      throw invalidRequest(`Version ${versionId} already exists and is not pending.`);
    }
    addPending(secret.versions, versionId, this.#now());
    this.#store.changed(secret);
    const rotation = this.#run(secret, versionId, secret.rotation.functionArn.replace(/^.*:function:/, ''));
    this.#running.add(rotation);
    rotation.finally(() => this.#running.delete(rotation));
  }

  list(): readonly Rotation[] {
    return [...this.#rotations];
  }

  /** Resolves when no rotation is running any more. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #run(secret: Secret, versionId: string, functionName: string): Promise<void> {
    const index = this.#rotations.length;
    const steps: string[] = [];
    const end = (outcome: Rotation['outcome'], error?: string) => {
      const rotation = { secretName: secret.name, versionId, steps, outcome };
      this.#rotations[index] = error === undefined ? rotation : { ...rotation, error };
    };
    end('running');
    for (const Step of STEPS) {
      steps.push(Step);
      const event = { Step, SecretId: secret.arn, ClientRequestToken: versionId, RotationToken: randomUUID() };
      try {
        await this.#invoke?.(functionName, event, randomUUID());
      } catch (error) {
        // The pending version stays where it is: only a person, or the next run with the same token, clears it.
        return end('failed', `${Step}: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`);
      }
    }
    if (versionWith(secret.versions, 'AWSCURRENT')?.id !== versionId) {
      return end('failed', `Pending secret version ${versionId} was not made AWSCURRENT.`);
    }
    secret.rotatedAt = this.#now();
    this.#store.changed(secret);
    end('rotated');
  }
}
