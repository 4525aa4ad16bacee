/* A Worker behind a service binding: says what it was asked. */
export default {
  fetch(request) {
    return Response.json({ method: request.method, url: request.url, headers: Object.fromEntries(request.headers) });
  },
};
