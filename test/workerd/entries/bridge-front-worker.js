/* A Worker behind a service binding that stands for the way to the bridge: hands requests on as they are. */
export default {
  fetch(request, { BRIDGE_URL }) {
    const { pathname, search } = new URL(request.url);
    return fetch(BRIDGE_URL + pathname + search, request);
  },
};
