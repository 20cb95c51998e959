// A function that publishes: POST {"topicName": "...", "topicValue": "..."}. It takes a
// Request and returns a Response, as functions do in Deno, Bun, Cloudflare Workers and
// most other places; serve.js runs it on Node.js.
import {createHash, timingSafeEqual} from 'node:crypto';
import {CredentialProvider, TopicClient, TopicConfigurations} from '@gomomento/sdk';

const CACHE = process.env.CACHE ?? 'default';
const LARGEST = 64 * 1024; // of a body, in bytes

function credentials() {
  const broker = process.env.BROKER ?? '127.0.0.1:8080';
  const apiKey = process.env.BROKER_KEY;
  if (!apiKey) {
    const [hostname, port] = broker.split(':');
    return CredentialProvider.forMomentoLocal({hostname, port: Number(port)});
  }
  const endpointOverrides = {cacheEndpoint: broker, controlEndpoint: broker, tokenEndpoint: broker, secureConnection: false};
  return CredentialProvider.fromString({apiKey, endpointOverrides});
}

// Made once, outside of the function: the connection outlives the call.
const topics = new TopicClient({configuration: TopicConfigurations.Default.latest(), credentialProvider: credentials()});

const digest = text => createHash('sha256').update(text).digest();
const secret = digest(`Bearer ${process.env.PUBLISH_SECRET}`);

/** Whoever publishes through this function has to know its secret. */
const known = request => Boolean(process.env.PUBLISH_SECRET)
  && timingSafeEqual(digest(request.headers.get('authorization') ?? ''), secret);

const answer = (status, message) => Response.json({message}, {status});

/** Reads the body, but not more than it may have; undefined when it has more. */
async function read(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    if ((size += chunk.length) > LARGEST) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

const isName = text => typeof text === 'string' && text !== '' && text.length <= 255;

export default async function publish(request) {
  if (request.method !== 'POST') return answer(405, 'POST is what this does');
  if (!known(request)) return answer(401, 'the secret is missing or wrong');
  const body = await read(request);
  if (body === undefined) return answer(413, `at most ${LARGEST} bytes`);
  let order;
  try {
    order = JSON.parse(body);
  } catch {
    return answer(400, 'the body is not JSON');
  }
  const {topicName, topicValue} = order ?? {};
  if (!isName(topicName)) return answer(400, 'topicName is missing');
  if (topicValue === undefined) return answer(400, 'topicValue is missing');
  // Texts travel as they are, anything else as JSON.
  const value = typeof topicValue === 'string' ? topicValue : JSON.stringify(topicValue);
  const published = await topics.publish(CACHE, topicName, value);
  if (published.type === 'Error') {
    console.error(`${published.errorCode()}: ${published.message()}`);
    return answer(502, 'the broker did not take it');
  }
  return answer(200, 'published');
}
