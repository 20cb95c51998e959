// What a page does without an SDK: fetch, EventSource and WebSocket, from another origin than
// the broker's.
import assert from 'node:assert/strict';
import {addr, cache} from './lib/connect.mjs';
import {check, eventually, finish, fresh} from '../node/lib/check.mjs';

const topicURL = topic => `http://${addr}/topics/${cache}/${topic}`;

async function publish(topic, text) {
  const answer = await fetch(topicURL(topic), {method: 'POST', body: text});
  assert.equal(answer.status, 204);
}

/** Listens with the browser's own EventSource. */
async function listen(topic) {
  const source = new EventSource(topicURL(topic));
  const items = [];
  source.onmessage = event => items.push(JSON.parse(event.data).value.text);
  await new Promise((resolve, reject) => {
    source.onopen = resolve;
    source.onerror = () => reject(new Error('the stream did not open'));
  });
  return {items, close: () => source.close()};
}

await check('an item is put, read and deleted', async () => {
  const url = `http://${addr}/cache/${cache}?key=${fresh('key')}`;
  assert.equal((await fetch(`${url}&ttl_seconds=60`, {method: 'PUT', body: 'válue'})).status, 204);
  assert.equal(await (await fetch(url)).text(), 'válue');
  assert.equal((await fetch(url, {method: 'DELETE'})).status, 204);
  const gone = await fetch(url);
  assert.equal(gone.status, 404);
  assert.equal(gone.statusText, 'Not Found');
  assert.equal((await gone.json()).message, 'Key Not Found');
});

await check('an EventSource hears what a fetch publishes', async () => {
  const topic = fresh('topic');
  const room = await listen(topic);
  const values = Array.from({length: 50}, (_, i) => `item ${i}, héllo\n日本`);
  for (const value of values) await publish(topic, value);
  await eventually('every item', () => room.items.length >= values.length);
  assert.deepEqual(room.items, values);
  room.close();
});

await check('a list keeps the last of what is said', async () => {
  const url = `http://${addr}/cache/${cache}/lists/${fresh('list')}`;
  for (const text of ['a', 'b', 'ç']) {
    assert.equal((await fetch(`${url}?ttl_seconds=60&truncate_to_size=2`, {method: 'POST', body: text})).status, 200);
  }
  assert.deepEqual(await (await fetch(url)).json(), {values: [{text: 'b'}, {text: 'ç'}]});
  assert.equal((await fetch(`${url}?value=b`, {method: 'DELETE'})).status, 204);
  assert.deepEqual(await (await fetch(`${url}/length`)).json(), {length: 1});
});

await check('a WebSocket hears what it says', async () => {
  const socket = new WebSocket(topicURL(fresh('topic')).replace('http:', 'ws:'));
  const items = [];
  let stands = false;
  socket.onmessage = message => {
    const said = JSON.parse(message.data);
    stands ||= said.heartbeat !== undefined;
    items.push(...(said.items ?? []).map(e => e.item.value.text));
  };
  await eventually('the first heartbeat', () => stands);
  const values = Array.from({length: 50}, (_, i) => `item ${i}, héllo\n日本`);
  for (const text of values) socket.send(JSON.stringify({publish: {value: {text}}}));
  await eventually('every item', () => items.length >= values.length);
  assert.deepEqual(items, values);
  socket.close();
});

await check('a poll waits, and the next one goes on from there', async () => {
  const topic = fresh('topic');
  await publish(topic, 'first');
  const ask = async query => (await (await fetch(topicURL(topic) + query)).json()).items;
  const [first] = await ask('?sequence_number=1');
  assert.equal(first.item.value.text, 'first');
  const next = ask(`?sequence_number=2&sequence_page=${first.item.sequence_page}`);
  await publish(topic, 'second');
  assert.deepEqual((await next).map(e => e.item.value.text), ['second']);
});

finish();
