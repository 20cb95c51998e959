// Makes calls that may be made twice, one after the other in several lanes, and
// listens to a topic, until its input ends. It prints every call that failed, what
// it hears, and in the end how many calls it made. See harness/agent.go.
import {CacheDelete, CacheGet, CacheListFetch, CacheListLength, CacheSet} from '@gomomento/sdk';
import {cache, cacheClient, topicClient} from './lib/connect.mjs';
import {describe} from './lib/check.mjs';

const caches = cacheClient();
const topics = topicClient();
const tell = event => process.stdout.write(JSON.stringify(event) + '\n');
const error = [CacheDelete, CacheGet, CacheListFetch, CacheListLength, CacheSet].map(family => family.Error);
let calls = 0;
let on = true;
process.stdin.on('end', () => (on = false)).resume();

const subscribed = await topics.subscribe(cache, 'room', {
  onItem: i => tell({event: 'item', id: 'room', value: i.valueString(), sequence: i.sequenceNumber()}),
  onDiscontinuity: d => tell({event: 'discontinuity', id: 'room', sequence: d.newSequenceNumber()}),
  onConnectionLost: () => tell({event: 'lost', id: 'room'}),
  onError: e => tell({event: 'ended', id: 'room', error: `${e.errorCode()}: ${e.message()}`}),
});
tell(subscribed.type === 'Error' ? {event: 'error', error: describe(subscribed)} : {event: 'subscribed', id: 'room'});

async function lane(number) {
  const ask = [
    count => caches.set(cache, `key-${number}`, `${count}`),
    () => caches.get(cache, `key-${number}`),
    () => caches.listFetch(cache, 'list'),
    () => caches.listLength(cache, 'list'),
    () => caches.delete(cache, `gone-${number}`),
  ];
  for (let count = 0; on; count++) {
    const which = count % ask.length;
    const response = await ask[which](count);
    calls++;
    if (error.some(e => response instanceof e)) {
      tell({event: 'refused', id: `call ${which} of lane ${number}`, error: describe(response)});
    }
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

await Promise.all([1, 2, 3, 4, 5, 6].map(lane));
tell({event: 'finished', sequence: calls});
process.exit(0);
