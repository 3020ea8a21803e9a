/** What Parameter Store lets a parameter be called, and how much it may hold. */
import { AwsError, errorOf } from '../wire/error.ts';

export type Tier = 'Standard' | 'Advanced';

export const refused = errorOf('ValidationException');

/** In bytes. */
const MAX_VALUE: Readonly<Record<Tier, number>> = { Standard: 4096, Advanced: 8192 };

/** @throws ValidationException, HierarchyLevelLimitExceededException */
export function checkName(name: string, arn: string): void {
  if (!/^[a-zA-Z0-9_.\-/]+$/.test(name)) {
    throw refused('Parameter name: can only contain the following symbols: a-zA-Z0-9_.-/');
  }
  if (name.includes('/') && !name.startsWith('/')) throw refused('Parameter name must be a fully qualified name.');
  if (name.endsWith('/') || name.includes('//')) throw refused('Parameter name: a level of the hierarchy is empty.');
  if (/^\/?(?:aws|ssm)/i.test(name))
    throw refused(`Parameter name: can't be prefixed with "aws" or "ssm" (case-insensitive).`);
  // Counted with the ARN around it.
  if (arn.length > 1011) throw refused('Parameter name is too long: 1011 characters at most, the ARN included.');
  if (name.split('/').length > 16) {
    throw new AwsError('HierarchyLevelLimitExceededException', 'A hierarchy can have a maximum of 15 levels.');
  }
}

/** The tier that a value ends in. @throws ValidationException */
export function tierFor(value: string, wanted: Tier | 'Intelligent-Tiering', current: Tier | undefined): Tier {
  const bytes = Buffer.byteLength(value);
  if (wanted === 'Standard' && current === 'Advanced') {
    throw refused("You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier.");
  }
  const tier =
    wanted === 'Intelligent-Tiering'
      ? bytes > MAX_VALUE.Standard || current === 'Advanced'
        ? 'Advanced'
        : 'Standard'
      : wanted;
  if (bytes <= MAX_VALUE[tier]) return tier;
  throw refused(
    tier === 'Standard'
      ? 'Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.'
      : 'Advanced tier parameters support a maximum parameter value of 8192 characters.',
  );
}
