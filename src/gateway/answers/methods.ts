/*
 * Which methods can go on to an origin. Pure.
 */

/**
 * Methods that fetch does not send. Of these only TRACE ever reaches a Worker: workerd itself answers TRACK with 501, as
 * every method that it does not know, and CONNECT with 500.
 */
export const UNFORWARDABLE_METHODS: readonly string[] = ['CONNECT', 'TRACE', 'TRACK'];

/** What a 405 names as allowed; other methods that the runtime knows are forwarded too. */
export const COMMON_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
