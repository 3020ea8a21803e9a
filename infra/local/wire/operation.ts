/** What a local service offers: its operations, the IAM actions that each takes, and the model that its requests are held against. */
import type { Need } from './access.ts';
import { requestModel } from './models.ts';
import type { ServiceName } from './traffic.ts';
import { checkRequest, type Wire } from './validation.ts';

export interface Operation {
  readonly name: string;
  /** Checks the request, asks `permit` for each IAM action it takes, and applies it. Nothing as the answer is an empty body. */
  handle(input: unknown, permit: (need: Need) => void): unknown | Promise<unknown>;
}

export interface Service {
  readonly name: ServiceName;
  readonly protocol: 'json1.0' | 'json1.1' | 'rest-json';
  readonly operations: readonly Operation[];
}

/** `R` gives the SDK's type of each operation's request; `needs` tells which IAM actions an operation takes, on which resources. */
export function operationsOf<R>(
  service: ServiceName,
  needs: (operation: keyof R & string, input: object) => readonly Need[],
) {
  return <K extends keyof R & string>(name: K, run: (input: Wire<R[K]>) => unknown): Operation => {
    const model = requestModel(service, name);
    return {
      name,
      handle(input, permit) {
        checkRequest<R[K]>(model, input);
        for (const need of needs(name, input)) permit(need);
        return run(input);
      },
    };
  };
}

/** The member of that name if it is a text: what an operation's resource is called. */
export function textIn(input: object, name: string): string | undefined {
  const value: unknown = Object.entries(input).find(([key]) => key === name)?.[1];
  return typeof value === 'string' ? value : undefined;
}
