/*
 * Which methods can be forwarded to an origin. Pure.
 */

/**
 * Methods that fetch does not send. Only TRACE ever reaches a Worker: workerd itself answers TRACK with 501, as any method
 * that it does not know, and CONNECT with 500.
 */
export const UNFORWARDABLE_METHODS: readonly string[] = ['CONNECT', 'TRACE', 'TRACK'];

/** The methods that a 405 lists as allowed; other methods that the runtime knows are forwarded too. */
export const COMMON_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
