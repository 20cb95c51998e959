// Caches, topics, lists and items in the console of a node that is open to
// everybody, beside what the command line and plain HTTP say.
import assert from 'node:assert/strict';
import {check, eventually} from '../node/lib/check.mjs';
import {base, becomes, cache, cli, end, http, open, rows, say, shot} from './lib/console.mjs';

const button = (scope, name) => scope.getByRole('button', {name, exact: true});
const names = async () => (await cli('cache', 'list')).caches.map(c => c.name).sort();
const listed = async name => (await cli('list', 'fetch', cache, name)).values?.map(v => v.text) ?? [];
const inTable = page => page.locator('tbody .name').allInnerTexts();
const pick = (page, name) => page.getByRole('radio', {name, exact: true}).check({force: true});

await check('caches: as listed, created, chosen, deleted only when meant', async () => {
  const page = await open();
  await becomes('the caches', () => inTable(page), await names());
  await page.getByLabel('Name of the new cache').fill('made-here');
  await page.keyboard.press('Enter');
  await page.getByText('Cache made-here was created.').waitFor();
  assert.deepEqual(await inTable(page), await names());
  assert.ok((await names()).includes('made-here'));
  assert.equal(await page.getByRole('combobox', {name: 'Cache'}).inputValue(), 'made-here');
  await shot(page, 'caches');

  await button(page, 'Delete: made-here').click();
  const dialog = page.getByRole('dialog');
  assert.ok(await button(dialog, 'Delete the cache').isDisabled(), 'deleted without the name');
  await shot(page, 'caches-delete');
  await page.keyboard.press('Escape');
  await dialog.waitFor({state: 'detached'});
  assert.ok((await names()).includes('made-here'));
  await button(page, 'Delete: made-here').click();
  await dialog.getByRole('textbox').fill('made-here');
  await page.keyboard.press('Enter');
  await page.getByText('Cache made-here was deleted.').waitFor();
  assert.ok(!(await names()).includes('made-here'));
  assert.deepEqual(await inTable(page), await names());
  await page.context().close();
});

await check('caches: emptied', async () => {
  await say('list', 'push', cache, 'lost', 'a');
  const page = await open();
  await button(page, `Empty: ${cache}`).click();
  await page.getByRole('dialog').getByRole('textbox').fill(cache);
  await page.keyboard.press('Enter');
  await page.getByText(`Everything in cache ${cache} was deleted.`).waitFor();
  assert.deepEqual(await listed('lost'), []);
  await page.context().close();
});

await check('topics: what others publish is seen with number, page, size, token id and node', async () => {
  const page = await open(`topics#cache=${cache}&topic=tap`);
  await page.locator('.status.live').waitFor();
  const {node} = await (await http('/console/api/session')).json();
  const {raw_token: token} = await cli('token', 'create', '--cache', cache, '--topic', 'tap', '--token-id', 'alice');
  await say('topic', 'publish', cache, 'tap', 'from the shell');
  await fetch(`${base}/topics/${cache}/tap`, {method: 'POST', body: '{"from":"alice"}', headers: {Authorization: token}});
  await http(`/topics/${cache}/tap`, {method: 'POST', body: Uint8Array.of(0, 1, 2, 255), headers: {'Content-Type': 'application/octet-stream'}});
  const {page: number} = await (await http(`/console/api/topic?cache=${cache}&topic=tap`)).json();
  await becomes('the items', async () => (await rows(page.getByRole('table'))).map(([n, p, , ...rest]) => [n, p, ...rest]), [
    ['3', `${number}`, '4 B', '—', node, 'bytesAAEC/w=='],
    ['2', `${number}`, '16 B', 'alice', node, '{"from":"alice"}'],
    ['1', `${number}`, '14 B', '—', node, 'from the shell'],
  ]);
  const received = (await rows(page.getByRole('table')))[0][2];
  assert.match(received, /^\d\d:\d\d:\d\d\.\d{3}$/);
  await shot(page, 'topics');

  await page.getByRole('searchbox').fill('ALICE');
  await becomes('the filter', async () => (await rows(page.getByRole('table'))).length, 1);
  await page.getByRole('searchbox').fill('nobody says this');
  await page.getByText('No item of the 3 here fits the filter.').waitFor();
  await page.getByRole('searchbox').fill('');
  await button(page, 'Pause').click();
  await say('topic', 'publish', cache, 'tap', 'unseen');
  await page.getByText('Paused, 1 new').waitFor();
  assert.equal((await rows(page.getByRole('table'))).length, 3);
  await button(page, 'Go on').click();
  await becomes('the unseen item', async () => (await rows(page.getByRole('table')))[0].at(-1), 'unseen');
  await button(page, 'Clear').click();
  await page.getByText('Nothing yet.').waitFor();
  await page.context().close();
});

await check('topics: what is published here arrives as it was meant', async () => {
  const page = await open(`topics#cache=${cache}&topic=said`);
  await page.locator('.status.live').waitFor();
  await page.getByLabel('Message', {exact: true}).fill('héllo 日本 🦟');
  await page.keyboard.press('Control+Enter');
  await page.getByText('Published 18 B.').waitFor();
  await pick(page, 'Base64');
  await page.getByLabel('Message', {exact: true}).fill('not base64!');
  await button(page, 'Publish').click();
  await page.getByText('This is not Base64.').waitFor();
  await page.getByLabel('Message', {exact: true}).fill('AAEC/w==');
  await button(page, 'Publish').click();
  await page.getByText('Published 4 B.').waitFor();
  await pick(page, 'File');
  await page.getByLabel('File to publish as bytes').setInputFiles({name: 'f', mimeType: 'application/octet-stream', buffer: Buffer.from([9, 8, 7])});
  await button(page, 'Publish').click();
  await page.getByText('Published 3 B.').waitFor();
  const {page: number} = await (await http(`/console/api/topic?cache=${cache}&topic=said`)).json();
  const {items} = await (await http(`/topics/${cache}/said?sequence_number=1&sequence_page=${number}`)).json();
  assert.deepEqual(items.map(i => i.item.value), [{text: 'héllo 日本 🦟'}, {binary: 'AAEC/w=='}, {binary: 'CQgH'}]);
  await becomes('the items', async () => (await rows(page.getByRole('table'))).map(r => r[0]), ['3', '2', '1']);
  await page.context().close();
});

await check('topics: a flood is bounded, and what was dropped is said', async () => {
  const page = await open(`topics#cache=${cache}&topic=flood`);
  await page.locator('.status.live').waitFor();
  await Promise.all(Array.from({length: 10}, async (_, k) => {
    for (let i = 0; i < 60; i++) await http(`/topics/${cache}/flood`, {method: 'POST', body: `item ${k}/${i}`});
  }));
  await becomes('the rows', async () => (await rows(page.getByRole('table'))).length, 500);
  await page.getByText('500 of 600 items · 100 older ones were dropped to save memory').waitFor();
  assert.deepEqual((await rows(page.getByRole('table'))).map(r => Number(r[0])), Array.from({length: 500}, (_, i) => 600 - i));
  await page.context().close();
});

await check('topics: a cache that is not there is said, with what to do', async () => {
  const page = await open('topics#cache=nowhere&topic=t');
  await page.getByText('There is no cache of this name. Choose one on the page Caches.').waitFor();
  await page.context().close();
});

await check('lists: paged, pushed, edited, deleted', async () => {
  await say('list', 'push', cache, 'long', ...Array.from({length: 120}, (_, i) => `entry ${i}`));
  const page = await open(`data#cache=${cache}&name=long`);
  const values = async () => (await rows(page.getByRole('table'))).map(r => r.slice(0, 2).join(' '));
  await becomes('the first page', values, Array.from({length: 50}, (_, i) => `${i} entry ${i}`));
  await button(page, 'Last').click();
  await becomes('the last page', values, Array.from({length: 20}, (_, i) => `${100 + i} entry ${100 + i}`));
  await button(page, 'First').click();
  await page.getByLabel('New entry').fill('in front');
  await button(page, 'Push to the front').click();
  await page.getByText('Pushed. The list has 121 entries.').waitFor();
  await becomes('the new front', async () => (await values())[0], '0 in front');

  await button(page, 'Edit entry 1').click();
  await page.getByRole('dialog').getByLabel('Value', {exact: true}).fill('edited');
  await button(page.getByRole('dialog'), 'Save').click();
  await becomes('the edited entry', async () => (await values())[1], '1 edited');
  await button(page, 'Delete entry 2').click();
  await becomes('the deleted entry', async () => (await values())[2], '2 entry 2');
  await becomes('the list', () => listed('long'), ['in front', 'edited', ...Array.from({length: 118}, (_, i) => `entry ${i + 2}`)]);
  await shot(page, 'data-list');

  // What somebody else did meanwhile is not overwritten.
  await say('list', 'push', cache, 'long', '--front', 'meanwhile');
  await button(page, 'Delete entry 0').click();
  await page.getByText('The list has changed meanwhile, and nothing was done.').waitFor();
  assert.equal((await listed('long')).length, 121);

  await button(page, 'Delete').click();
  await button(page.getByRole('dialog'), 'Delete').click();
  await page.getByText('There is nothing under long. Create it:').waitFor();
  assert.deepEqual(await listed('long'), []);
  await page.context().close();
});

await check('items: made, read, changed, and their life counted down', async () => {
  const page = await open(`data#cache=${cache}&name=greeting`);
  await page.getByLabel('Value', {exact: true}).fill('hello');
  await page.getByLabel('Life', {exact: true}).fill('90');
  await page.getByLabel('Unit of the life').selectOption('s');
  await button(page, 'Create').click();
  await page.getByRole('heading', {name: 'greeting Item'}).waitFor();
  const item = () => http(`/cache/${cache}?key=greeting`).then(r => r.text());
  assert.equal(await item(), 'hello');
  const left = async () => {
    const [, m, s] = /^(?:(\d+) min )?(\d+) s$/.exec(await page.locator('.facts time').innerText());
    return Number(m ?? 0) * 60 + Number(s);
  };
  const first = await left();
  assert.ok(first > 60 && first <= 90, `${first} s`);
  await eventually('the countdown', async () => await left() < first);
  await page.getByLabel('Value', {exact: true}).fill('changed');
  await button(page, 'Save').click();
  await becomes('the changed item', item, 'changed');
  await http(`/cache/${cache}?key=greeting&ttl_seconds=60`, {method: 'PUT', body: Uint8Array.of(0, 255)});
  await button(page, 'Refresh').click();
  await becomes('the bytes', () => page.getByLabel('Value', {exact: true}).inputValue(), 'AP8=');
  assert.ok(await page.getByLabel('The value is Base64').isChecked());
  await shot(page, 'data-item');
  await page.context().close();
});

await check('collections: of the other types, each told', async () => {
  const page = await open(`data#cache=${cache}&name=kinds`);
  const kinds = [
    ['Dictionary', {Field: 'color', Value: 'green'}, [['color', 'green', '5 B']]],
    ['Set', {Element: 'green'}, [['green', '5 B']]],
    ['Sorted set', {Score: '2.5', Element: 'green'}, [['0', 'green', '2.5', '5 B']]],
  ];
  for (const [kind, fields, want] of kinds) {
    await pick(page, kind);
    for (const [label, text] of Object.entries(fields)) await page.getByLabel(label, {exact: true}).fill(text);
    await button(page, 'Create').click();
    await page.getByRole('heading', {name: `kinds ${kind}`, exact: true}).waitFor();
    await becomes(`the ${kind}`, async () => (await rows(page.getByRole('table'))).map(r => r.slice(0, -1)), want);
    await shot(page, `data-${kind.toLowerCase().replace(' ', '-')}`);
    await page.getByRole('button', {name: /^Delete entry/}).click();
    await page.getByText('There is nothing under kinds. Create it:').waitFor();
  }
  await page.context().close();
});

await end();
