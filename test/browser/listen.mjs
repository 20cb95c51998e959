// A page that listens to the topic "topic" without an SDK, with EventSource and with
// WebSocket, and says what it hears in the words of harness/agent.go. EventSource
// comes back by itself; what a page has to do for a socket is here.
import {addr, cache} from './lib/connect.mjs';

const path = `${addr}/topics/${cache}/topic`;
const tell = event => process.stdout.write(JSON.stringify(event) + '\n');

const source = new EventSource(`http://${path}`);
source.onopen = () => tell({event: 'subscribed', id: 'events'});
source.onmessage = e => tell({event: 'item', id: 'events', value: JSON.parse(e.data).value.text});
source.addEventListener('discontinuity', () => tell({event: 'discontinuity', id: 'events'}));
source.onerror = () => {
  if (source.readyState === EventSource.CLOSED) tell({event: 'ended', id: 'events'});
};

let place = '';

function connect() {
  const socket = new WebSocket(`ws://${path}${place}`);
  socket.onmessage = message => {
    const {heartbeat, items = [], error} = JSON.parse(message.data);
    if (heartbeat) tell({event: 'subscribed', id: 'socket'});
    if (error) tell({event: 'error', id: 'socket', error: error.message});
    for (const {item, discontinuity} of items) {
      const [number, page] = item
        ? [item.topic_sequence_number, item.sequence_page]
        : [discontinuity.new_topic_sequence, discontinuity.new_sequence_page];
      place = `?sequence_number=${number + 1}&sequence_page=${page}`;
      tell({event: item ? 'item' : 'discontinuity', id: 'socket', value: item?.value.text});
    }
  };
  socket.onclose = () => setTimeout(connect, 200);
}

connect();
