// Somebody on a page who talks to others over a topic, and shows what is said there
// in the order in which it came. With an endpoint that gives tokens, what is said is
// kept in a list as well, and whoever comes back looks there for what was missed.
// What happens is told in the words of harness/agent.go.
import {
  CacheClient,
  CollectionTtl,
  Configurations,
  CredentialProvider,
  TopicClient,
  TopicConfigurations,
} from '@gomomento/sdk-web';

const {id, broker, cache, topic, me = id} = globalThis.story;
/** How long one rests between two things that one says, in ms. */
const PACE = 40;
/** More than a story says. */
const HISTORY = 5000;
const AUTHENTICATION = 'AUTHENTICATION_ERROR';

const list = document.getElementById('heard');
const shown = new Set();
let endpoint = globalThis.story.endpoint; // that gives tokens, undefined for none
let topics, caches;
let talking = false;
let said = 0;

const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
const tell = event => globalThis.tell({id, ...event});
const words = error => `${error.errorCode()}: ${error.message()}`;

document.getElementById('me').textContent = me;

function show(text) {
  shown.add(text);
  const li = document.createElement('li');
  li.textContent = text;
  li.className = text.startsWith(`${me} `) ? 'mine' : '';
  list.append(li);
}

/** Shows what is not there yet. */
function showOnce(text) {
  if (!shown.has(text)) show(text);
}

async function credentials() {
  const endpointOverrides = {cacheEndpoint: broker, controlEndpoint: broker, tokenEndpoint: broker};
  if (endpoint === undefined) return CredentialProvider.forMomentoLocal({endpointOverrides});
  const answer = await fetch(broker + endpoint);
  const {authToken, message} = await answer.json();
  if (!answer.ok) throw new Error(message);
  return CredentialProvider.fromString({apiKey: authToken, endpointOverrides});
}

/** Subscribes, with a token of its own, and then catches up with the list. */
async function enter() {
  const credentialProvider = await credentials();
  topics = new TopicClient({configuration: TopicConfigurations.Default.latest(), credentialProvider});
  caches = new CacheClient({configuration: Configurations.Browser.latest(), credentialProvider, defaultTtlSeconds: 600});
  const early = [];
  let hear = endpoint === undefined ? show : text => early.push(text);
  const subscription = await topics.subscribe(cache, topic, {
    onItem: item => {
      hear(item.valueString());
      tell({event: 'item', value: item.valueString(), sequence: item.sequenceNumber()});
    },
    onDiscontinuity: d => tell({event: 'discontinuity', sequence: d.newSequenceNumber()}),
    onError: error => tell({event: 'ended', error: words(error)}),
  });
  if (subscription.type === 'Error') {
    // A token may end on its way, on a machine that is busy.
    if (subscription.errorCode() === AUTHENTICATION) return enter();
    return tell({event: 'error', error: words(subscription)});
  }
  if (endpoint !== undefined) {
    const kept = await caches.listFetch(cache, topic);
    if (kept.type === 'Error' && kept.errorCode() === AUTHENTICATION) {
      subscription.unsubscribe();
      return enter();
    }
    if (kept.type === 'Error') return tell({event: 'error', error: words(kept)});
    [...(kept.type === 'Hit' ? kept.valueListString() : []), ...early].forEach(showOnce);
    hear = showOnce;
  }
  tell({event: 'subscribed'});
}

async function say(text) {
  if (endpoint !== undefined) {
    const kept = await caches.listPushBack(cache, topic, text, {truncateFrontToSize: HISTORY, ttl: CollectionTtl.of(600)});
    if (kept.type === 'Error') return kept;
  }
  return topics.publish(cache, topic, text);
}

globalThis.orders = {
  enter,

  /** Comes back with a token of this endpoint. */
  async renew({name}) {
    endpoint = name;
    await enter();
  },

  /** Says one thing after the other until it is to hush. */
  async talk() {
    for (talking = true; talking; said++) {
      const text = `${me} ${said}`;
      const answer = await say(text);
      if (answer.type === 'Error') tell({event: 'refused', value: text, error: words(answer)});
      else tell({event: 'acked', value: text});
      await pause(PACE);
    }
    tell({event: 'finished', sequence: said});
  },

  hush() {
    talking = false;
  },

  /** Tells what the page shows. */
  fetch() {
    tell({event: 'fetched', values: [...list.children].map(li => li.textContent)});
  },
};
