/* For nginx's auth_request: 204 to what came through the gateway, 403 to everything else. Needs ORIGIN_SECRET; PORT defaults to 9402. */
import { createServer } from 'node:http';
import { cameThroughGateway } from './verify.mjs';

const server = createServer(({ headers }, response) => {
  const request = { method: headers['x-original-method'], target: headers['x-original-uri'], headers };
  response.writeHead(cameThroughGateway(request, process.env.ORIGIN_SECRET) ? 204 : 403).end();
});
server.listen(Number(process.env.PORT ?? '9402'), '127.0.0.1', () => console.log(`listening on port ${server.address().port}`));
