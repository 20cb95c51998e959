// Runs a program of checks in a real browser: node run.mjs <program>. Programs
// of this folder come first, then those of test/node, which are the same checks
// made with the Web SDK instead of the Node.js one. What a program prints in the
// page is printed here, and the lines of standard input are handed to it.
import {existsSync} from 'node:fs';
import {createServer} from 'node:http';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';
import {launch} from './lib/chromium.mjs';

const here = name => fileURLToPath(new URL(name, import.meta.url));

/** The program as one script. The SDK in it is as npm installed it. */
async function bundle(program) {
  const entry = [here(`${program}.mjs`), here(`../node/${program}.mjs`)].find(existsSync);
  if (entry === undefined) throw new Error(`there is no program ${program}`);
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    format: 'esm',
    write: false,
    logLevel: 'error',
    nodePaths: [here('node_modules')],
    inject: [here('lib/globals.mjs')],
    alias: {
      '@gomomento/sdk': '@gomomento/sdk-web',
      'node:assert/strict': here('lib/assert.mjs'),
      'node:readline': here('lib/readline.mjs'),
    },
    plugins: [{
      name: 'connect',
      setup(b) {
        b.onResolve({filter: /\/lib\/connect\.mjs$/}, () => ({path: here('lib/connect.mjs')}));
      },
    }],
  });
  return result.outputFiles[0].contents;
}

/** Serves the page from an origin of its own and returns its URL. */
function serve(script) {
  const server = createServer((request, response) => {
    const isScript = request.url === '/program.js';
    response.writeHead(200, {'content-type': isScript ? 'text/javascript' : 'text/html; charset=utf-8'});
    response.end(isScript ? script : '<!doctype html><link rel="icon" href="data:,"><script type="module" src="program.js"></script>');
  });
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}/`));
  });
}

const program = process.argv[2];
const url = await serve(await bundle(program));
const browser = await launch();
const page = await browser.newPage();
const over = new Promise((resolve, reject) => {
  page.on('pageerror', reject);
  page.on('crash', () => reject(new Error('the page crashed')));
  browser.on('disconnected', () => reject(new Error('the browser is gone')));
  void page.exposeFunction('over', resolve);
});
page.on('console', message => process.stderr.write(`${message.type()}: ${message.text()}\n`));
await page.exposeFunction('tell', text => process.stdout.write(text));
await page.addInitScript(story => { globalThis.story = story; }, {
  STORY_ADDR: process.env.STORY_ADDR, STORY_KEY: process.env.STORY_KEY, STORY_CACHE: process.env.STORY_CACHE,
  STORY_TLS: process.env.STORY_TLS, STORY_ENDPOINT: process.env.STORY_ENDPOINT,
});
await page.goto(url);
createInterface({input: process.stdin}).on('line', line => void page.evaluate(l => globalThis.line(l), line));
const code = await over;
await browser.close();
process.exit(code);
