// The ticker: a page without an SDK that shows what goes on.
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {check, eventually, finish} from '../../node/lib/check.mjs';
import {launch} from '../lib/chromium.mjs';
import {site, way} from '../lib/site.mjs';

const broker = await way(process.env.STORY_ADDR);
const url = await site(process.env.STORY_PAGE, text => text.replaceAll('{{broker}}', `http://${broker.addr}`));
const browser = await launch();
const page = await browser.newPage({viewport: {width: 640, height: 520}, colorScheme: 'dark'});
const problems = [];
let tokens = 0;
page.on('pageerror', error => problems.push(String(error)));
page.on('response', response => {
  if (response.url().includes('/vend/') && response.ok()) tokens++;
});

const rows = () => page.locator('#rows tr').allTextContents();

/** Waits until the prices have changed so many times. */
async function changes(times) {
  for (; times > 0; times--) {
    const before = JSON.stringify(await rows());
    await eventually('another price', async () => JSON.stringify(await rows()) !== before);
  }
}

await check('every price is there at once, and then they move', async () => {
  await page.goto(url);
  await eventually('four prices', async () => (await rows()).filter(row => /^[A-Z]+\d+\.\d\d/.test(row)).length === 4);
  await page.getByRole('status').getByText('Live').waitFor();
  await changes(10);
  await page.screenshot({path: join(process.env.STORY_OUT, 'ticker.png')});
});

await check('tokens are renewed while prices go on', async () => {
  const before = tokens;
  await eventually('a new token', () => tokens > before);
  await changes(5);
});

await check('a page that was cut off comes back', async () => {
  broker.cut();
  await page.getByRole('status').getByText('Connection lost').waitFor();
  broker.mend();
  await page.getByRole('status').getByText('Live').waitFor();
  await changes(5);
});

await check('pages change nothing', async () => {
  const {authToken: authorization} = await (await fetch(`http://${broker.addr}/vend/ticker`)).json();
  for (const [method, path] of [['POST', '/topics/ticker/prices'], ['PUT', '/cache/ticker?key=price/AMBER&ttl_seconds=60'], ['GET', '/cache/ticker?key=other']]) {
    const answer = await fetch(`http://${broker.addr}${path}`, {method, headers: {authorization}, ...(method !== 'GET' && {body: 'x'})});
    assert.equal(answer.status, 403, `${method} ${path}`);
  }
  assert.deepEqual(problems, []);
});

await browser.close();
finish();
