// The console of a node that wants a credential: who is let in, and what is kept.
import assert from 'node:assert/strict';
import {check} from '../node/lib/check.mjs';
import {cache, cli, end, key, open, shot} from './lib/console.mjs';

const signIn = async (page, credential) => {
  await page.getByRole('textbox', {name: 'API key'}).fill(credential);
  await page.keyboard.press('Enter');
};
const inside = page => page.getByRole('navigation', {name: 'Pages'});

await check('nobody is let in without a key, nor with one that will not do', async () => {
  const page = await open('cluster');
  await page.getByRole('heading', {name: 'Sign in'}).waitFor();
  assert.equal(await inside(page).count(), 0);
  await shot(page, 'sign-in');
  const {raw_token: token} = await cli('token', 'create', '--cache', cache, '--topic', 't');
  for (const wrong of ['two words', 'nonsense', `${key.slice(0, -2)}xx`, token]) {
    await signIn(page, wrong);
    await page.getByRole('alert').waitFor();
    assert.equal(await inside(page).count(), 0, `let in with ${wrong}`);
  }
  await page.context().close();
});

await check('a key opens the page that was asked for, for this tab alone, until one signs out', async () => {
  const page = await open('cluster');
  await signIn(page, ` ${key}\n`);
  await page.getByRole('heading', {name: 'Cluster', exact: true}).waitFor();
  await page.reload();
  await page.getByRole('heading', {name: 'Cluster', exact: true}).waitFor();
  assert.ok(!await page.evaluate(k => JSON.stringify({...localStorage}).includes(k) || document.cookie.includes(k), key));
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.getByRole('heading', {name: 'Sign in'}).waitFor();
  await page.getByRole('button', {name: 'Sign out'}).click();
  await page.getByRole('heading', {name: 'Sign in'}).waitFor();
  assert.ok(!await page.evaluate(k => JSON.stringify({...sessionStorage}).includes(k), key));
  await page.context().close();
});

await check('with a key the SDK and the node take every call', async () => {
  const page = await open(`topics#cache=${cache}&topic=keyed`);
  await signIn(page, key);
  await page.locator('.status.live').waitFor();
  await page.getByLabel('Message', {exact: true}).fill('with a key');
  await page.keyboard.press('Control+Enter');
  await page.getByRole('cell', {name: 'with a key'}).waitFor();
  await page.getByRole('link', {name: 'Lists and items'}).click();
  await page.getByLabel('Name').fill('keyed');
  await page.keyboard.press('Enter');
  await page.getByRole('radio', {name: 'List', exact: true}).check({force: true});
  await page.getByLabel('New entry').fill('one');
  await page.getByRole('button', {name: 'Push to the back'}).click();
  await page.getByRole('heading', {name: 'keyed List'}).waitFor();
  assert.deepEqual((await cli('list', 'fetch', cache, 'keyed')).values, [{text: 'one'}]);
  await page.getByRole('button', {name: 'Delete entry 0'}).click();
  await page.getByText('There is nothing under keyed.').waitFor();
  await page.getByRole('link', {name: 'Tokens'}).click();
  await page.getByRole('button', {name: 'Create the token'}).click();
  const raw = await page.getByRole('textbox', {name: 'For HTTP, as it travels'}).inputValue();
  assert.equal((await cli('token', 'inspect', raw)).mayfly, true);
  await page.context().close();
});

await end();
