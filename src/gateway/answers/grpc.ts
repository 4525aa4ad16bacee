/*
 * Native gRPC needs HTTP/2 trailers end to end, which Workers do not support. Such a request is refused in gRPC form: headers
 * without a body, whose fields a gRPC client reads as trailers. gRPC-Web carries its trailers in the body and passes. Pure.
 */

const NATIVE = 'application/grpc';
const UNIMPLEMENTED = '12';

/** Whether a request uses native gRPC. */
export function isNativeGrpc(headers: Headers): boolean {
  const type = headers.get('content-type');
  if (type === null || type.length < NATIVE.length) return false;
  const lower = type.toLowerCase();
  return lower.startsWith(NATIVE) && !lower.startsWith(`${NATIVE}-`);
}

/** Returns the response fields. The status is 200: gRPC puts the outcome in `grpc-status`. */
export function describeToGrpc(detail: string): Readonly<Record<string, string>> {
  return { 'content-type': NATIVE, 'grpc-status': UNIMPLEMENTED, 'grpc-message': detail };
}
