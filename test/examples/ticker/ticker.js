// Publishes prices, several times a second, and serves the page that shows them.
import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {
  CacheClient,
  Configurations,
  CredentialProvider,
  TopicClient,
  TopicConfigurations,
} from '@gomomento/sdk';

const CACHE = 'ticker';
const EVERY = Number(process.env.EVERY_MS ?? 250);
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

const credentialProvider = credentials();
const cache = new CacheClient({configuration: Configurations.Laptop.latest(), credentialProvider, defaultTtlSeconds: 3600});
const topics = new TopicClient({configuration: TopicConfigurations.Default.latest(), credentialProvider});

/** What is traded, with made-up prices in cents. */
const prices = new Map([['AMBER', 12_040], ['COBALT', 3_310], ['INDIGO', 870], ['OCHRE', 45_500]]);

/** Moves one price by up to a percent. */
function move() {
  const symbols = [...prices.keys()];
  const symbol = symbols[Math.floor(Math.random() * symbols.length)];
  const before = prices.get(symbol);
  const cents = Math.max(1, Math.round(before * (1 + (Math.random() - 0.5) / 50)));
  prices.set(symbol, cents);
  return {symbol, cents, at: Date.now()};
}

/** Tells everybody, and keeps the price for those who come later. */
async function tell(tick) {
  const value = JSON.stringify(tick);
  const answers = await Promise.all([cache.set(CACHE, `price/${tick.symbol}`, value), topics.publish(CACHE, 'prices', value)]);
  for (const answer of answers) {
    if (answer.type === 'Error') console.error(`${answer.errorCode()}: ${answer.message()}`);
  }
}

const page = (await readFile(new URL('index.html', import.meta.url), 'utf8')).replaceAll('{{broker}}', `http://${broker}`);
const server = createServer((request, response) => {
  response.writeHead(request.url === '/' ? 200 : 404, {'content-type': 'text/html; charset=utf-8'});
  response.end(request.url === '/' ? page : 'There is nothing here.');
});

for (const [symbol, cents] of prices) await tell({symbol, cents, at: Date.now()});
let busy = false;
setInterval(async () => {
  if (busy) return; // a broker that is slow is not asked for more
  busy = true;
  await tell(move()).finally(() => (busy = false));
}, EVERY);
server.listen(Number(process.env.PORT ?? 5174), '127.0.0.1', () => {
  console.log(`prices at http://127.0.0.1:${server.address().port}/`);
});
