/*
 * Native gRPC, which needs HTTP/2 trailers from end to end: no Worker has them. It is told so in its own form, a head without
 * a body whose fields a gRPC client reads as trailers. gRPC-Web carries its trailers in the body and passes. Pure.
 */

const NATIVE = 'application/grpc';
const UNIMPLEMENTED = '12';

/** Whether a request speaks native gRPC. */
export function isNativeGrpc(headers: Headers): boolean {
  const type = headers.get('content-type');
  if (type === null || type.length < NATIVE.length) return false;
  const lower = type.toLowerCase();
  return lower.startsWith(NATIVE) && !lower.startsWith(`${NATIVE}-`);
}

/** Fields of the answer, whose status is 200: gRPC has the outcome in `grpc-status`. */
export function describeToGrpc(detail: string): Readonly<Record<string, string>> {
  return { 'content-type': NATIVE, 'grpc-status': UNIMPLEMENTED, 'grpc-message': detail };
}
