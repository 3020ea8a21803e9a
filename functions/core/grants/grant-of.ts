import type { Connection } from '../connection/connection.ts';
import { authorizationCode } from './authorization-code.ts';
import { clientCredentials } from './client-credentials.ts';
import type { Grant } from './grant.ts';
import { jwtBearer } from './jwt-bearer.ts';

/** How the credentials of this connection are obtained. */
export function grantOf(connection: Connection): Grant {
  switch (connection.grantType) {
    case 'JWT_BEARER':
      return jwtBearer(connection);
    case 'AUTHORIZATION_CODE':
      return authorizationCode(connection);
    case 'CLIENT_CREDENTIALS':
      return clientCredentials(connection);
  }
}
