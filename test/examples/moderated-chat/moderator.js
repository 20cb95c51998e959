// Stands between those who speak and those who listen.
import {randomUUID} from 'node:crypto';
import {
  CacheClient,
  CollectionTtl,
  Configurations,
  CredentialProvider,
  TopicClient,
  TopicConfigurations,
} from '@gomomento/sdk';
import {cover} from './words.js';

const CACHE = 'chat';
const HISTORY = 100;
const LONGEST = 2000;
const MONTH = CollectionTtl.of(30 * 24 * 3600);

const broker = process.env.BROKER ?? '127.0.0.1:8080';
const chats = (process.env.CHATS ?? 'lobby,help').split(',');
const moderators = new Set((process.env.MODERATORS ?? '').split(',').filter(Boolean));

function credentials() {
  const apiKey = process.env.BROKER_KEY;
  if (!apiKey) {
    const [hostname, port] = broker.split(':');
    return CredentialProvider.forMomentoLocal({hostname, port: Number(port)});
  }
  const endpointOverrides = {cacheEndpoint: broker, controlEndpoint: broker, tokenEndpoint: broker, secureConnection: false};
  return CredentialProvider.fromString({apiKey, endpointOverrides});
}

const credentialProvider = credentials();
const cache = new CacheClient({configuration: Configurations.Laptop.latest(), credentialProvider, defaultTtlSeconds: 3600});
const topics = new TopicClient({configuration: TopicConfigurations.Default.latest(), credentialProvider});

/** Fails with what the broker said instead of a success. */
function sure(response) {
  if (response.type === 'Error') throw new Error(response.message());
  return response;
}

/** Lets a message through, to the history first: whoever hears it can look it up. */
async function say(chat, from, text) {
  const message = JSON.stringify({id: randomUUID(), from, text: cover(text.slice(0, LONGEST)), at: Date.now()});
  sure(await cache.listPushBack(CACHE, chat, message, {truncateFrontToSize: HISTORY, ttl: MONTH}));
  sure(await topics.publish(CACHE, chat, message));
}

/** Removes a message, if who asks for it said it or is a moderator. */
async function remove(chat, from, id) {
  const history = sure(await cache.listFetch(CACHE, chat));
  const kept = history.type === 'Hit' ? history.valueListString() : [];
  const found = kept.find(text => JSON.parse(text).id === id);
  if (found === undefined || JSON.parse(found).from !== from && !moderators.has(from)) return;
  sure(await cache.listRemoveValue(CACHE, chat, found));
  sure(await topics.publish(CACHE, chat, JSON.stringify({removed: id})));
}

/** Does what one item of a chat's input asks for. */
async function handle(chat, item) {
  const from = item.tokenId();
  if (!from) return; // published with a key, by no person
  let order;
  try {
    order = JSON.parse(item.valueString());
  } catch {
    return;
  }
  if (typeof order?.text === 'string' && order.text.trim() !== '') await say(chat, from, order.text.trim());
  else if (typeof order?.remove === 'string') await remove(chat, from, order.remove);
}

for (const chat of chats) {
  let last = Promise.resolve(); // one item after the other, so that history and topic have one order
  sure(await topics.subscribe(CACHE, `${chat}-input`, {
    onItem: item => {
      last = last.then(() => handle(chat, item)).catch(error => console.error(`${chat}: ${error.message}`));
    },
    onError: error => {
      console.error(`${chat}: ${error.message()}`);
      process.exit(1); // whoever runs this starts it anew
    },
  }));
}
console.log(`moderating ${chats.join(', ')}`);
