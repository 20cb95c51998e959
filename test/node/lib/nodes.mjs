// The addresses that a program is given: one, or those of several nodes of a
// cluster, over which it spreads what it does.
const addrs = (process.env.STORY_ADDR ?? '127.0.0.1:8080').split(',');
let turn = 0;

/** The address for the next client. */
export const next = () => addrs[turn++ % addrs.length];

/**
 * One client that makes each call through the next of several, one for each node;
 * make makes the client of an address.
 */
export function inTurn(make) {
  const clients = addrs.map(() => make(next()));
  if (clients.length === 1) return clients[0];
  let calls = 0;
  return new Proxy(clients[0], {
    get(_, call) {
      const client = clients[calls++ % clients.length];
      return client[call].bind(client);
    },
  });
}
