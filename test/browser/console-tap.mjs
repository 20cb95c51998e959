// The console's tap as an agent: it is told which topic to listen to, and tells
// what a person would see, while the story goes on around it.
import {createInterface} from 'node:readline';
import {cache, end, open, shot} from './lib/console.mjs';

const tell = event => process.stdout.write(JSON.stringify(event) + '\n');

// While the broker is away a browser complains of every request that nobody answers.
const away = /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_SOCKET_NOT_CONNECTED|status of 503/;

async function subscribe({id, name}) {
  const page = await open(`topics#cache=${cache}&topic=${name}`, {expected: away});
  await page.exposeFunction('tell', tell);
  await page.evaluate(id => {
    const seen = new Set();
    let state = '';
    const look = () => {
      const now = document.querySelector('.tap .status')?.className.replace('status ', '');
      if (now && now !== state) globalThis.tell({event: now === 'live' ? 'subscribed' : now, id});
      state = now ?? state;
      // The newest row is the first one.
      for (const row of [...document.querySelectorAll('.items tbody tr')].reverse()) {
        const text = row.className === 'note' ? row.innerText.split(' ').slice(1).join(' ') : row.querySelector('.value').innerText;
        const key = row.innerText;
        if (seen.has(key)) continue;
        seen.add(key);
        const sequence = Number(row.querySelector('.number')?.innerText ?? 0);
        globalThis.tell({event: row.className === 'note' ? 'discontinuity' : 'item', id, value: text.trim(), sequence});
      }
    };
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true});
    look();
  }, id);
  return page;
}

let page;
for await (const line of createInterface({input: process.stdin})) {
  const order = JSON.parse(line);
  if (order.do === 'subscribe') page = await subscribe(order);
  if (order.do === 'quit') {
    await shot(page, 'topics-restart');
    await end();
  }
}
