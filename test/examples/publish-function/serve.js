// Runs the function on Node.js.
import {createServer} from 'node:http';
import {Readable} from 'node:stream';
import publish from './publish.js';

const server = createServer(async (incoming, outgoing) => {
  const hasBody = incoming.method !== 'GET' && incoming.method !== 'HEAD';
  const request = new Request(new URL(incoming.url, 'http://localhost'), {
    method: incoming.method,
    headers: incoming.headers,
    ...(hasBody && {body: Readable.toWeb(incoming), duplex: 'half'}),
  });
  const response = await publish(request).catch(error => {
    console.error(error);
    return Response.json({message: 'it failed'}, {status: 500});
  });
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(await response.text());
});

server.requestTimeout = 10_000;
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
