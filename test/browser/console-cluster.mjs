// The console of a cluster, beside what the command line says of it.
import assert from 'node:assert/strict';
import {check} from '../node/lib/check.mjs';
import {becomes, cache, cli, end, open, rows, say, shot} from './lib/console.mjs';

const table = (page, name) => page.getByRole('region', {name}).getByRole('table');

await check('nodes, groups, leaders and lag are those of the command', async () => {
  const page = await open('cluster');
  const {nodes, groups} = await cli('cluster', 'status');
  await page.getByText(`3 of 3 nodes live, ${groups.length} groups, 0 moves under way`).waitFor();
  await page.getByText('Nothing moves.').waitFor();
  await becomes('the nodes', async () => (await table(page, 'Nodes').locator('tbody .name').allInnerTexts()), nodes.map(n => n.name));
  assert.deepEqual((await rows(table(page, 'Nodes'))).map(r => Number(r[2])), nodes.map(n => n.leaders));
  await becomes('the groups', async () => (await rows(table(page, 'Groups'))).map(([group, leader]) => ({group, leader})),
    (await cli('cluster', 'status')).groups.map(({group, leader}) => ({group, leader})));
  const chips = await table(page, 'Groups').locator('tbody tr').evaluateAll(all => all.map(row => [...row.querySelectorAll('.chip')].map(chip => chip.innerText.split('\n'))));
  for (const [i, {leader, replicas}] of groups.entries()) {
    assert.deepEqual(chips[i].map(([node]) => node).sort(), replicas.map(r => r.node).sort());
    assert.deepEqual(chips[i].filter(([, role]) => role === 'leader').map(([node]) => node), [leader]);
  }
  await becomes('no lag', async () => new Set((await table(page, 'Groups').locator('.chip .hint').allInnerTexts())), new Set(['up to date']));
  await shot(page, 'cluster');
  await page.context().close();
});

await check('a drained node is seen to lead nothing, without a reload', async () => {
  const page = await open('cluster');
  const {nodes} = await cli('cluster', 'status');
  const name = nodes.at(-1).name;
  await say('node', 'drain', name);
  const row = () => table(page, 'Nodes').locator('tbody tr', {has: page.getByText(name, {exact: true})});
  await becomes('the drained node', async () => [/draining/.test(await row().innerText()), (await row().locator('td').nth(1).innerText())], [true, '0']);
  await shot(page, 'cluster-drained');
  await say('node', 'resume', name);
  await becomes('the resumed node', async () => /active/.test(await row().innerText()), true);
  await page.context().close();
});

await check('what is published through another node shows up, with its leader', async () => {
  const page = await open(`topics#cache=${cache}&topic=anywhere`);
  await page.locator('.status.live').waitFor();
  await say('topic', 'publish', cache, 'anywhere', 'hello');
  await page.getByRole('cell', {name: 'hello'}).waitFor();
  await page.locator('.facts dd').first().waitFor();
  const group = await page.locator('.facts div', {hasText: 'Group'}).locator('dd').innerText();
  // Leaders move; the page asks again and again.
  await becomes('the leader', async () => {
    const leader = (await cli('cluster', 'status')).groups.find(g => g.group === group).leader;
    return leader === await page.locator('.facts div', {hasText: 'Leader'}).locator('dd').innerText();
  }, true);
  await page.context().close();
});

await check('usage is told of one node, of another, and of all', async () => {
  const page = await open('usage');
  await page.getByRole('slider', {name: 'Operations'}).waitFor();
  const choice = page.getByLabel('Measured on');
  await becomes('the choice', async () => (await choice.locator('option').count()), 4);
  for (const which of await choice.locator('option').evaluateAll(all => all.map(o => o.value))) {
    const answer = page.waitForResponse(r => r.url().includes('/console/api/usage') && (which === '' || r.url().endsWith(`node=${which}`)));
    await choice.selectOption(which);
    if (which !== '') assert.equal((await answer).status(), 200);
    await page.getByRole('slider', {name: 'Operations'}).waitFor();
  }
  await shot(page, 'usage-all');
  await page.context().close();
});

await end();
