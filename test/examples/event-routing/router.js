// Routes events. Everybody publishes to one topic; a webhook brings what was published
// here, and it goes on to the topics of those who want it.
import {createServer} from 'node:http';
import {CredentialProvider, TopicClient, TopicConfigurations} from '@gomomento/sdk';
import {routes} from './routes.js';
import {recent, signed} from './verify.js';

const CACHE = process.env.CACHE ?? 'default';
const EVENTS = 'events';
const WEBHOOK = 'router';
const LARGEST = 2 << 20; // of a post, in bytes: base64 adds a third to a message
const REMEMBERED = 10_000; // events, so that one that comes twice is routed once

const broker = process.env.BROKER ?? '127.0.0.1:8080';

function credentials() {
  const apiKey = process.env.BROKER_KEY;
  if (!apiKey) {
    const [hostname, port] = broker.split(':');
    return CredentialProvider.forMomentoLocal({hostname, port: Number(port)});
  }
  const endpointOverrides = {cacheEndpoint: broker, controlEndpoint: broker, tokenEndpoint: broker, secureConnection: false};
  return CredentialProvider.fromString({apiKey, endpointOverrides});
}

const topics = new TopicClient({configuration: TopicConfigurations.Default.latest(), credentialProvider: credentials()});

/** Fails with what the broker said instead of a success. */
function sure(response) {
  if (response.type === 'Error') throw new Error(response.message());
  return response;
}

let secret;
let asked = 0; // when the secret was asked for

/**
 * The status for a post by its signature. The secret may have been rotated, so it is
 * asked for again, but not as often as strangers please: meanwhile a post that does not
 * fit is to come again.
 */
async function judge(body, signature) {
  if (signed(body, signature, secret)) return 204;
  if (Date.now() - asked < 5000) return 503;
  asked = Date.now();
  secret = sure(await topics.getWebhookSecret(CACHE, WEBHOOK)).secret();
  return signed(body, signature, secret) ? 204 : 401;
}

const seen = new Set();
let last = Promise.resolve(); // the end of the work on all events so far

/** Reports whether an event comes for the first time. */
function first({topic_sequence_page: page, topic_sequence_number: number}) {
  const id = `${page}-${number}`;
  if (seen.has(id)) return false;
  seen.add(id);
  if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
  return true;
}

/** Hands an event on. */
async function route(event) {
  let type;
  try {
    ({type} = JSON.parse(event.text));
  } catch {
    // It has no type that anybody could have asked for.
  }
  const wanted = Object.hasOwn(routes, type) ? routes[type] : [];
  console.log(`${event.topic_sequence_number}: ${wanted.length ? `${type} to ${wanted.join(', ')}` : 'nobody wants it'}`);
  await Promise.all(wanted.map(async topic => sure(await topics.publish(CACHE, topic, event.text))));
}

async function read(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    if ((size += chunk.length) > LARGEST) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The status that a post is answered with. Anything but 2xx, 408, 429 and 5xx drops it. */
async function receive(request) {
  if (request.method !== 'POST') return 405;
  const body = await read(request);
  if (body === undefined) return 413;
  const status = await judge(body, request.headers['momento-signature']);
  if (status !== 204) return status;
  const event = JSON.parse(body);
  if (!recent(event)) return 403;
  if (first(event)) {
    // The answer does not wait, since the broker brings the next event only after it;
    // and events go on one after the other, in the order they came in.
    last = last.then(() => route(event)).catch(error => console.error(`${event.topic_sequence_number}: ${error.message}`));
  }
  return status;
}

const server = createServer(async (request, response) => {
  const status = await receive(request).catch(error => {
    console.error(error.message);
    return 500;
  });
  response.writeHead(status).end();
});
server.requestTimeout = 10_000;
server.listen(Number(process.env.PORT ?? 3001), process.env.HOST ?? '127.0.0.1', async () => {
  const destination = process.env.PUBLIC_URL ?? `http://127.0.0.1:${server.address().port}/`;
  // Putting it again changes the address and keeps the secret.
  secret = sure(await topics.putWebhook(CACHE, WEBHOOK, {topicName: EVENTS, destination})).secretString();
  console.log(`routing ${EVENTS} at ${destination}`);
});
