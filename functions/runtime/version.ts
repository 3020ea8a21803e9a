/** Of `package.json`, which is in no zip; a test holds the two together. */
export const VERSION = '0.1.0';

/** What the functions call themselves in the user agent of each request, and the command line. CloudTrail keeps it. */
export type Product = 'appflow-token-refresher' | 'appflow-token-refresher-cli';
