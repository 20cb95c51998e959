// The moderated chat: what pages may do themselves, and what only the moderator may.
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {check, eventually, finish} from '../../node/lib/check.mjs';
import {launch} from '../lib/chromium.mjs';
import {site} from '../lib/site.mjs';

const broker = `http://${process.env.STORY_ADDR}`;
const url = await site(process.env.STORY_PAGE, text => text.replace('http://127.0.0.1:8080', broker));
const browser = await launch();
const problems = [];

async function arrive(name, chatId, options = {}) {
  const page = await (await browser.newContext({locale: 'en-GB', ...options})).newPage();
  page.on('pageerror', error => problems.push(String(error)));
  page.on('console', message => message.type() === 'error' && problems.push(message.text()));
  await page.goto(url);
  await page.getByLabel('Your name').fill(name);
  await page.getByLabel('Chat').fill(chatId);
  await page.getByRole('button', {name: 'Enter'}).click();
  await page.getByRole('status').getByText('Live').waitFor();
  return page;
}

async function say(page, text) {
  await page.getByLabel('Message', {exact: true}).fill(text);
  await page.keyboard.press('Enter');
}

const said = page => page.getByRole('log').locator('.said').allTextContents();
const shows = (page, want) => eventually(`a page that shows ${want}`, async () => JSON.stringify(await said(page)) === JSON.stringify(want));

const [ada, bob] = await Promise.all([arrive('Ada', 'lobby'), arrive('Bob', 'lobby', {colorScheme: 'dark', viewport: {width: 390, height: 844}})]);

await check('what is said passes the moderator', async () => {
  await say(ada, 'Oh DARN, what the heck. The darned heckler is fine.');
  await say(bob, 'Calm down.');
  const want = ['Oh ****, what the ****. The darned heckler is fine.', 'Calm down.'];
  await Promise.all([shows(ada, want), shows(bob, want)]);
});

await check('a message of one\'s own is removed, for those who come later too', async () => {
  await ada.getByRole('button', {name: 'Remove “Oh'}).click();
  await Promise.all([shows(ada, ['Calm down.']), shows(bob, ['Calm down.'])]);
  await shows(await arrive('Cleo', 'lobby'), ['Calm down.']);
  assert.equal(await ada.getByRole('button', {name: 'Remove'}).count(), 0, 'nobody else\'s can be');
});

await check('a page that does not keep to the rules gets nowhere', async () => {
  const vend = async query => (await (await fetch(`${broker}/vend/chat?${query}`)).json()).authToken;
  const authorization = await vend('chatId=lobby&name=Mallory');
  const send = async (method, path, body) => (await fetch(`${broker}${path}`, {method, body, headers: {authorization}})).status;
  assert.equal(await send('POST', '/topics/chat/lobby', '{"text":"unseen"}'), 403, 'past the moderator');
  assert.equal(await send('PUT', '/cache/chat?key=lobby&ttl_seconds=60', 'x'), 403, 'over the history');
  assert.equal(await send('GET', '/topics/chat/lobby-input'), 403, 'what others said, unmoderated');
  assert.equal(await send('POST', '/topics/chat/help-input', '{"text":"x"}'), 403, 'another chat');
  for (const query of ['chatId=lobby-input&name=Mallory', 'chatId=*&name=Mallory', 'chatId=lobby&chatId=help&name=M', 'chatId=lobby&name=Ada/Bob']) {
    assert.equal(await vend(query), undefined, query);
  }
  // Removing what another said, and things that make no sense.
  const history = await (await fetch(`${broker}/cache/chat?key=other`, {headers: {authorization}})).status;
  assert.equal(history, 403);
  for (const order of ['{"remove":"x"}', 'no JSON', 'null', '{"text":""}', '{"text":7}', JSON.stringify({text: 'I am Mallory', from: 'Ada'})]) {
    assert.equal(await send('POST', '/topics/chat/lobby-input', order), 204);
  }
  await shows(bob, ['Calm down.', 'I am Mallory']);
  assert.deepEqual(await bob.locator('#messages .by b').allTextContents(), ['Bob', 'Mallory']);
});

await check('a moderator removes what anybody said', async () => {
  const {authToken: authorization} = await (await fetch(`${broker}/vend/chat?chatId=lobby&name=Mo`)).json();
  const listen = async query => (await (await fetch(`${broker}/topics/chat/lobby?${query}`, {headers: {authorization}})).json()).items[0].item;
  const before = await listen('sequence_number=1'); // anything, to know the page
  await say(bob, 'to be removed');
  await shows(ada, ['Calm down.', 'I am Mallory', 'to be removed']);
  let next = before;
  while (JSON.parse(next.value.text).text !== 'to be removed') {
    next = await listen(`sequence_number=${next.topic_sequence_number + 1}&sequence_page=${next.sequence_page}`);
  }
  const body = JSON.stringify({remove: JSON.parse(next.value.text).id});
  await fetch(`${broker}/topics/chat/lobby-input`, {method: 'POST', body, headers: {authorization}});
  await Promise.all([ada, bob].map(page => shows(page, ['Calm down.', 'I am Mallory'])));
});

await check('a hundred messages are remembered, in the order that was heard', async () => {
  const page = await arrive('Ada', 'help');
  const {authToken: authorization} = await (await fetch(`${broker}/vend/chat?chatId=help&name=Zoe`)).json();
  for (let i = 0; i < 105; i++) {
    await fetch(`${broker}/topics/chat/help-input`, {method: 'POST', body: JSON.stringify({text: `message ${i}`}), headers: {authorization}});
  }
  const want = Array.from({length: 100}, (_, i) => `message ${i + 5}`);
  await shows(page, want);
  await shows(await arrive('Late', 'help'), want);
});

await ada.screenshot({path: join(process.env.STORY_OUT, 'moderated-desk.png')});
await bob.screenshot({path: join(process.env.STORY_OUT, 'moderated-phone-dark.png')});
await check('no page had anything to complain about', () => assert.deepEqual(problems, []));
await browser.close();
finish();
