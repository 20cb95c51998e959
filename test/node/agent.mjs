// Does what the story tells it, one JSON order per line of standard input, and
// prints what happens, one JSON event per line. See harness/agent.go.
import {createInterface} from 'node:readline';
import {cache, cacheClient, topicClient} from './lib/connect.mjs';
import {describe} from './lib/check.mjs';

const topics = topicClient();
const caches = cacheClient();
const tell = event => process.stdout.write(JSON.stringify(event) + '\n');

const orders = {
  async subscribe({id, name}) {
    const response = await topics.subscribe(cache, name, {
      onItem: i => tell({event: 'item', id, value: i.valueString(), sequence: i.sequenceNumber(), publisher: i.tokenId() ?? ''}),
      onDiscontinuity: d => tell({event: 'discontinuity', id, sequence: d.newSequenceNumber()}),
      onConnectionLost: () => tell({event: 'lost', id}),
      onError: e => tell({event: 'ended', id, error: `${e.errorCode()}: ${e.message()}`}),
    });
    if (response.type === 'Error') tell({event: 'error', id, error: describe(response)});
    else tell({event: 'subscribed', id});
  },

  async publish({id, name, values}) {
    for (const value of values) {
      answered(id, value, await topics.publish(cache, name, value));
    }
  },

  async push({id, name, values}) {
    for (const value of values) {
      answered(id, value, await caches.listPushBack(cache, name, value));
    }
  },

  async fetch({id, name}) {
    const response = await caches.listFetch(cache, name);
    if (response.type === 'Error') tell({event: 'error', id, error: describe(response)});
    else tell({event: 'fetched', id, values: response.type === 'Hit' ? response.valueListString() : []});
  },

  quit() {
    process.exit(0);
  },
};

function answered(id, value, response) {
  if (response.type === 'Success') tell({event: 'acked', id, value});
  else tell({event: 'refused', id, value, error: describe(response)});
}

createInterface({input: process.stdin}).on('line', async line => {
  const order = JSON.parse(line);
  try {
    await orders[order.do](order);
  } catch (e) {
    tell({event: 'error', id: order.id, error: String(e?.stack ?? e)});
  }
});
