/* The yardstick: a Worker that forwards and does nothing else. */
export default {
  fetch(request, { ORIGIN_URL }) {
    const { pathname, search } = new URL(request.url);
    return fetch(`${ORIGIN_URL}${pathname}${search}`, request);
  },
};
