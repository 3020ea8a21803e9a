/** The errors of Secrets Manager that more than one of its operations answers with. */
import { AwsError, errorOf } from '../wire/error.ts';

export const invalidParameter = errorOf('InvalidParameterException');
export const invalidRequest = errorOf('InvalidRequestException');
export const limitExceeded = errorOf('LimitExceededException');
export const exists = errorOf('ResourceExistsException');
export const missing = errorOf('ResourceNotFoundException');

export function badToken(): AwsError {
  return new AwsError('InvalidNextTokenException', 'The NextToken value is invalid.');
}
