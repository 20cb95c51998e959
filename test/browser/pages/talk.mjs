// People who talk on pages, each in a browser context of their own, and do what the
// story tells them: see harness/agent.go. An order "open" brings in the person ID to
// the topic NAME; its values are the broker's address and, if tokens are to be had,
// the path of the endpoint that gives them. "picture" takes a picture of the page,
// called NAME, into test/out/chat. All other orders are the page's own.
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';
import {launch} from '../lib/chromium.mjs';
import {site} from '../lib/site.mjs';

const here = name => fileURLToPath(new URL(name, import.meta.url));
const out = here('../../out/chat/');
const tell = event => process.stdout.write(JSON.stringify(event) + '\n');

const script = await build({entryPoints: [here('talk/talk.js')], bundle: true, format: 'esm', write: false, logLevel: 'error'});
const url = await site(here('talk'), undefined, {'/talk.js': script.outputFiles[0].text});
const browser = await launch();
const people = new Map();

async function open({id, name: topic, values: [addr, endpoint]}) {
  const context = await browser.newContext({locale: 'en-GB', viewport: {width: 1280, height: 800}});
  const page = await context.newPage();
  people.set(id, page);
  page.on('pageerror', error => tell({event: 'error', id, error: String(error)}));
  page.on('crash', () => tell({event: 'error', id, error: 'the page crashed'}));
  page.on('console', message => process.stderr.write(`${id}: ${message.text()}\n`));
  await page.exposeFunction('tell', tell);
  await page.addInitScript(story => { globalThis.story = story; },
    {id, topic, endpoint, cache: process.env.STORY_CACHE, broker: `http://${addr}`});
  await page.goto(url);
  await page.evaluate(() => globalThis.orders.enter());
}

async function picture({id, name}) {
  mkdirSync(out, {recursive: true});
  await people.get(id).screenshot({path: join(out, `${name}.png`), fullPage: true});
  tell({event: 'taken', id});
}

const own = {open, picture};
const forward = order => people.get(order.id).evaluate(o => globalThis.orders[o.do](o), order);

createInterface({input: process.stdin}).on('line', async line => {
  const order = JSON.parse(line);
  try {
    await (own[order.do] ?? forward)(order);
  } catch (error) {
    tell({event: 'error', id: order.id, error: String(error?.stack ?? error)});
  }
});
