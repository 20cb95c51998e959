// The chat that `mayfly init chat` writes, as two people and some others use it.
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {check, eventually, finish, fresh} from '../../node/lib/check.mjs';
import {launch} from '../lib/chromium.mjs';
import {site, way} from '../lib/site.mjs';

const broker = await way(process.env.STORY_ADDR);
const folder = process.env.STORY_PAGE;
const pageFor = addr => site(folder, text => text.replace('http://127.0.0.1:8080', `http://${addr}`));
const url = await pageFor(broker.addr);
const browser = await launch();
const problems = [];

/** A check whose people leave when it is over. */
const scene = (name, body) => check(name, async () => {
  await body();
  await Promise.all(browser.contexts().map(context => context.close()));
});

/** Somebody with a browser of their own. */
async function person({at = url, ...options} = {}) {
  const context = await browser.newContext({locale: 'en-GB', ...options});
  const page = await context.newPage();
  page.tokens = 0;
  page.on('pageerror', error => problems.push(String(error)));
  page.on('console', message => {
    // A broker that is away is told by the browser itself.
    if (message.type() === 'error' && !message.text().includes('net::ERR')) problems.push(message.text());
  });
  page.on('response', response => {
    if (response.url().includes('/vend/') && response.ok()) page.tokens++;
  });
  await page.goto(at);
  return page;
}

/** Enters a room with nothing but a keyboard. */
async function enter(page, name, room) {
  await page.getByLabel('Your name').focus();
  await page.keyboard.type(name);
  await page.keyboard.press('Tab');
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type(room);
  await page.keyboard.press('Enter');
  await page.getByRole('status').getByText('Live').waitFor();
}

async function arrive(name, room, options) {
  const page = await person(options);
  await enter(page, name, room);
  return page;
}

async function say(page, text) {
  await page.getByLabel('Message', {exact: true}).fill(text);
  await page.keyboard.press('Enter');
}

const said = page => page.getByRole('log').locator('.said').allTextContents();
const hears = (page, text) => eventually(`"${text}"`, async () => (await said(page)).includes(text));

await scene('two people talk, and see the same', async () => {
  const room = fresh('lobby');
  const [ada, bob] = await Promise.all([arrive('Ada', room), arrive('Bob', room)]);
  for (let i = 0; i < 20; i++) {
    const text = `message ${i}: héllo 日本`;
    await say(i % 2 ? ada : bob, text);
    await hears(i % 2 ? bob : ada, text);
  }
  const want = Array.from({length: 20}, (_, i) => `message ${i}: héllo 日本`);
  assert.deepEqual(await said(ada), want);
  assert.deepEqual(await said(bob), want);
  assert.equal(await ada.locator('#messages li.mine').count(), 10);
  assert.deepEqual(await bob.locator('#messages .by b').evaluateAll(all => [...new Set(all.map(e => e.textContent))].sort()), ['Ada', 'Bob']);

  const cleo = await arrive('Cleo', room);
  assert.deepEqual(await said(cleo), want, 'who comes late sees what was said');
});

await scene('a room is apart from the others', async () => {
  const [here, there] = await Promise.all([arrive('Ada', fresh('one')), arrive('Bob', fresh('two'))]);
  await say(here, 'only here');
  await hears(here, 'only here');
  await say(there, 'only there');
  await hears(there, 'only there');
  assert.deepEqual(await said(there), ['only there']);
});

await scene('nobody speaks in the name of another, or in HTML', async () => {
  const room = fresh('trust');
  const ada = await arrive('Ada', room);
  const {authToken} = await (await fetch(`http://${broker.addr}/vend/chat?room=${room}&name=Mallory`)).json();
  const text = '<img src=x onerror="document.title=1"> <b>bold</b>';
  for (const body of ['not JSON', '{"id":1}', JSON.stringify({id: 'x', from: 'Ada', text, at: 1})]) {
    const answer = await fetch(`http://${broker.addr}/topics/chat/room-${room}`, {method: 'POST', body, headers: {authorization: authToken}});
    assert.equal(answer.status, 204);
  }
  await hears(ada, text);
  assert.equal(await ada.locator('#messages .by b').textContent(), 'Mallory');
  assert.equal(await ada.locator('#messages img').count(), 0);
  assert.equal((await said(ada)).length, 1);
});

await scene('a room that cannot be one is refused in words', async () => {
  const page = await person();
  await page.getByLabel('Your name').fill('Ada');
  await page.getByLabel('Room').fill('*');
  await page.getByRole('button', {name: 'Enter'}).click();
  await page.getByRole('alert').getByText('room holds one of').waitFor();
  problems.pop(); // the browser's own line about the status 400
});

await scene('tokens are renewed, and nothing is lost or there twice', async () => {
  const room = fresh('long');
  const [ada, bob] = await Promise.all([arrive('Ada', room), arrive('Bob', room)]);
  const want = [];
  while (ada.tokens < 3 || bob.tokens < 3) {
    assert(want.length < 90, 'tokens are not renewed');
    want.push(`at ${want.length}`);
    await say(ada, want.at(-1));
    await hears(bob, want.at(-1));
  }
  assert.deepEqual(await said(bob), want);
  assert.deepEqual(await said(ada), want);
});

await scene('a page that was cut off comes back, and has what it missed', async () => {
  const room = fresh('cut');
  const ada = await arrive('Ada', room);
  const bob = await arrive('Bob', room, {at: await pageFor(process.env.STORY_ADDR)});
  await say(ada, 'before');
  await hears(bob, 'before');
  broker.cut();
  await ada.getByRole('status').getByText('Connection lost').waitFor();
  await say(ada, 'into the void');
  await ada.getByRole('alert').getByText('It was not sent').waitFor();
  assert.equal(await ada.getByLabel('Message', {exact: true}).inputValue(), 'into the void');
  await say(bob, 'meanwhile');
  await hears(bob, 'meanwhile');
  broker.mend();
  await ada.getByRole('status').getByText('Live').waitFor();
  await ada.keyboard.press('Enter');
  await hears(bob, 'into the void');
  assert.deepEqual(await said(ada), ['before', 'meanwhile', 'into the void']);
});

await scene('it looks well on a phone by night and on a desk by day', async () => {
  const room = fresh('gallery');
  const lines = [
    ['Ada', 'Good morning! Is the room working for everybody?'], ['Bob', 'Yes. Loud and clear.'],
    ['Ada', 'A longer message, to see how it wraps: real-time apps need topics for the moment and lists for what must outlive it.'],
    ['Cleo', 'https://example.org/a/very/long/address/that/has/no/place/to/break/and/must/not/push/the/page/aside'],
    ['Bob', 'こんにちは 👋\nOn two lines.'], ['Ada', 'Lovely.'],
  ];
  const people = {};
  for (const [name, text] of lines) {
    people[name] ??= await arrive(name, room);
    await say(people[name], text);
    await hears(people[name], text);
  }
  await Promise.all(Object.values(people).map(page => page.context().close()));
  const phone = {viewport: {width: 390, height: 844}, hasTouch: true, colorScheme: 'dark'};
  const desk = {viewport: {width: 1280, height: 800}, colorScheme: 'light'};
  for (const [size, options] of Object.entries({phone, desk})) {
    const page = await person(options);
    await page.screenshot({path: join(process.env.STORY_OUT, `door-${size}.png`)});
    await enter(page, 'Ada', room);
    await hears(page, 'Lovely.');
    await page.screenshot({path: join(process.env.STORY_OUT, `chat-${size}.png`)});
    assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than its window');
  }
});

await check('no page had anything to complain about', () => assert.deepEqual(problems, []));

await browser.close();
finish();
