// Tokens, cluster and usage in the console of a node that is open to everybody, and
// what holds for every page: languages, phones, the keyboard.
import assert from 'node:assert/strict';
import {check} from '../node/lib/check.mjs';
import {addr, cache, cli, end, http, open, rows, say, shot} from './lib/console.mjs';

const button = (scope, name) => scope.getByRole('button', {name, exact: true});

await check('tokens: minted as the command would, and inspected alike', async () => {
  const page = await open('tokens', {expected: /status of 400/}); // that no credential is one
  await page.getByLabel('In cache').selectOption(cache);
  await page.getByLabel('Which').selectOption('prefix');
  await page.getByLabel('Name or beginning').fill('room-');
  await page.getByLabel('Token id').fill('alice');
  await button(page, 'Create the token').click();
  const raw = await page.getByRole('textbox', {name: 'For HTTP, as it travels'}).inputValue();
  const said = await cli('token', 'inspect', raw);
  assert.deepEqual(said.permissions, [`topic:publishsubscribe:${cache}:topic-prefix=room-`]);
  assert.equal(said.token_id, 'alice');
  const life = Date.parse(said.expires_at) - Date.parse(said.issued_at);
  assert.equal(life, 3_600_000);
  const wrapped = await cli('token', 'inspect', await page.getByRole('textbox', {name: 'For SDKs'}).inputValue());
  assert.deepEqual({id: wrapped.id, endpoint: wrapped.endpoint}, {id: said.id, endpoint: addr});

  await button(page, 'Inspect it').click();
  const found = page.locator('section', {has: page.getByRole('heading', {name: 'Inspect a credential'})});
  await found.getByText(`publish and subscribe to topics beginning with “room-” of cache “${cache}”`).waitFor();
  await found.getByText(said.id).waitFor();
  const ask = async (action, topic) => {
    await page.getByLabel('Call').selectOption(action);
    await found.getByLabel('Cache').fill(cache);
    await found.getByLabel(action === 'publish' ? 'Topic' : 'Key or name').fill(topic);
    await button(page, 'Inspect').click();
    const verdict = found.locator('.verdict');
    await verdict.waitFor();
    return verdict.innerText();
  };
  assert.equal(await ask('publish', 'room-1'), 'The call would be allowed.');
  assert.match(await ask('publish', 'elsewhere'), /^The call would be refused: .+/);
  assert.match(await ask('write', 'room-1'), /^The call would be refused: .+/);
  await shot(page, 'tokens');
  await page.getByLabel('API key or token').fill('no credential at all');
  await button(page, 'Inspect').click();
  await found.getByRole('alert').waitFor();
  const kept = await page.evaluate(() => JSON.stringify([{...localStorage}, {...sessionStorage}]));
  assert.ok(!kept.includes(raw), 'a token was stored');
  await page.context().close();
});

await check('cluster: as the command says', async () => {
  const page = await open('cluster');
  const status = await cli('cluster', 'status');
  await page.getByText(`1 of 1 nodes live, ${status.groups.length} groups, 0 moves under way`).waitFor();
  const groups = await rows(page.getByRole('region', {name: 'Groups'}).getByRole('table'));
  assert.deepEqual(groups.map(([group, leader]) => [group, leader]), status.groups.map(g => [g.group, g.leader]));
  await page.context().close();
});

await check('usage: the plots say what the node measured', async () => {
  const page = await open('usage');
  const plot = title => page.getByRole('slider', {name: title});
  await plot('Operations').waitFor();
  const {series} = await (await http('/console/api/usage')).json();
  assert.ok(series.operations.some(n => n > 0));
  // The keys move the reading through the hour: somewhere in it were operations.
  await plot('Operations').focus();
  const seen = new Set();
  for (let i = 0; i < 20; i++) {
    seen.add(await page.locator('figure').first().locator('.legend strong').innerText());
    await page.keyboard.press('ArrowLeft');
  }
  assert.ok([...seen].some(text => Number(text.replace(',', '')) > 0), [...seen].join());
  await page.keyboard.press('Home');
  assert.equal(await page.locator('figure').first().locator('.legend strong').innerText(), 'not measured');
  const box = await plot('Bytes per second').boundingBox();
  await page.mouse.move(box.x + box.width - 12, box.y + 60);
  await page.locator('figure', {hasText: 'Bytes'}).locator('.cursor').waitFor();
  await shot(page, 'usage');
  await page.context().close();
});

await check('everything is in Japanese and in the dark when asked, and stays so', async () => {
  const page = await open('tokens', {locale: 'ja-JP', colorScheme: 'dark'});
  await page.getByRole('heading', {name: 'トークン', exact: true}).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'ja');
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await shot(page, 'tokens-ja-dark');
  await page.getByLabel('テーマ').selectOption('light');
  assert.notEqual(await ground(), dark);
  await page.getByLabel('言語').selectOption('en');
  await page.reload();
  await page.getByRole('heading', {name: 'Tokens', exact: true}).waitFor();
  assert.notEqual(await ground(), dark);
  await page.context().close();
});

await check('a phone shows every page without scrolling sideways', async () => {
  await say('list', 'push', cache, 'wide', 'x'.repeat(400), 'two');
  const pages = {caches: '', topics: `topics#cache=${cache}&topic=phone`, data: `data#cache=${cache}&name=wide`, tokens: 'tokens', cluster: 'cluster', usage: 'usage'};
  for (const locale of ['en-GB', 'ja-JP']) {
    for (const [name, path] of Object.entries(pages)) {
      const page = await open(path, {viewport: {width: 360, height: 740}, isMobile: true, hasTouch: true, locale});
      await page.locator('main .card, main .plots').first().waitFor();
      if (name === 'topics') await say('topic', 'publish', cache, 'phone', `{"long":"${'y'.repeat(300)}"}`);
      if (name === 'topics') await page.locator('.items tbody tr').first().waitFor();
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, `${name} ${locale}`);
      await shot(page, `phone-${name}-${locale.slice(0, 2)}`);
      await page.context().close();
    }
  }
});

await check('the keyboard reaches everything, and the focus is seen', async () => {
  const page = await open('cluster');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'MAIN');
  await page.reload();
  await page.locator('main .card').first().waitFor();
  const reached = new Set();
  for (let i = 0; i < 10; i++) {
    await page.keyboard.press('Tab');
    const {text, outline} = await page.evaluate(() => {
      const e = document.activeElement;
      return {text: e.innerText?.trim() || e.tagName, outline: getComputedStyle(e).outlineStyle};
    });
    assert.notEqual(outline, 'none', text);
    reached.add(text);
  }
  for (const name of ['Caches', 'Topics', 'Lists and items', 'Tokens', 'Cluster', 'Usage']) assert.ok(reached.has(name), `${name} of ${[...reached]}`);
  await page.context().close();
});

await check('an address that leads nowhere says so', async () => {
  const page = await open('nowhere');
  await page.getByText('There is no such page.').waitFor();
  await page.getByRole('link', {name: 'Go to the caches'}).click();
  await page.getByRole('heading', {name: 'Caches'}).waitFor();
  await page.context().close();
});

await check('the first key closes the door, also of a page that is open', async () => {
  const page = await open();
  await page.getByText('Open mode').waitFor();
  const {api_key: first} = await cli('key', 'create', '--superuser');
  await page.getByLabel('Name of the new cache').fill('never');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', {name: 'Sign in'}).waitFor();
  await page.getByLabel('API key').fill(first);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', {name: 'Caches'}).waitFor();
  assert.ok(!(await page.locator('tbody .name').allInnerTexts()).includes('never'));
  await page.context().close();
});

await end();
