// What the programs that click through the console have in common: a browser at
// the console of a node, the command line to compare with, and the screenshots.
// Whatever a page has to complain about is kept and fails the program.
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {check, eventually, finish} from '../../node/lib/check.mjs';
import {launch} from './chromium.mjs';

const {STORY_ADDR: addrs, STORY_KEY: key, STORY_CACHE, STORY_MAYFLY: mayfly} = process.env;

export const cache = STORY_CACHE;
export {key};
export const addr = addrs.split(',')[0];
export const base = `http://${addr}`;

const run = promisify(execFile);

/** What a command prints as JSON. */
export async function cli(...args) {
  return JSON.parse(await say(...args, '-o', 'json'));
}

/** What a command prints. */
export async function say(...args) {
  const env = {...process.env, MAYFLY_SERVER: addr, ...(key ? {MAYFLY_API_KEY: key} : {})};
  return (await run(mayfly, args, {env})).stdout;
}

/** A request without an SDK. */
export async function http(path, init = {}) {
  const response = await fetch(base + path, {...init, headers: {...init.headers, ...(key ? {Authorization: key} : {})}});
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response;
}

const browser = await launch();
const complaints = [];

/** A page at an address of the console, in a browser that knows nothing yet. */
export async function open(path = '', {expected, ...options} = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 900}, locale: 'en-GB', ...options});
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const complain = text => {
    if (!expected?.test(text)) complaints.push(`${path}: ${text}`);
  };
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complain(message.text());
  });
  page.on('pageerror', error => complain(error.stack));
  page.on('request', request => {
    if (new URL(request.url()).host !== addr) complain(`asked for ${request.url()}`);
  });
  await page.goto(`${base}/console/${path}`);
  await page.getByRole('navigation').or(page.getByLabel('API key')).first().waitFor();
  return page;
}

const out = fileURLToPath(new URL('../../out/console/', import.meta.url));
mkdirSync(out, {recursive: true});

export async function shot(page, name) {
  await page.screenshot({path: `${out}${name}.png`, fullPage: true, animations: 'disabled'});
}

/** The texts of the cells of each row of the body. */
export function rows(table) {
  return table.locator('tbody tr').evaluateAll(all => all.map(row => [...row.cells].map(cell => cell.innerText.trim())));
}

/** Waits until a question about a page has the wanted answer. */
export async function becomes(what, question, want) {
  let got;
  await eventually(what, async () => {
    got = await question();
    try {
      assert.deepEqual(got, want);
      return true;
    } catch {
      return false;
    }
  }).catch(e => {
    throw new Error(`${e.message}: have ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
  });
}

/** Ends the program; no page may have complained. */
export async function end() {
  await check('no page complained', () => assert.deepEqual(complaints, []));
  await browser.close();
  finish();
}
