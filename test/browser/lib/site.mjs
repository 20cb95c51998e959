// What stands around the pages of a story: a server of their files, and a way to
// the broker that can be cut.
import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {connect, createServer as createRelay} from 'node:net';
import {extname, join, normalize} from 'node:path';

const types = {'.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript'};

const listening = server => new Promise(resolve => {
  server.listen(0, '127.0.0.1', () => resolve(server.address().port));
});

/**
 * Serves a folder; change may change the text of index.html, and made holds files by
 * their paths that are not in the folder. Returns its URL.
 */
export async function site(folder, change = text => text, made = {}) {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://x').pathname;
    const file = normalize(path === '/' ? '/index.html' : path);
    try {
      const text = made[file] ?? await readFile(join(folder, file));
      response.writeHead(200, {'content-type': types[extname(file)] ?? 'application/octet-stream'});
      response.end(file === '/index.html' ? change(text.toString()) : text);
    } catch {
      response.writeHead(404).end();
    }
  });
  return `http://127.0.0.1:${await listening(server)}/`;
}

/** A way to host:port that can be cut and mended. */
export async function way(addr) {
  const [host, port] = addr.split(':');
  const open = new Set();
  let broken = false;
  const relay = createRelay(near => {
    if (broken) return near.destroy();
    const far = connect(Number(port), host);
    open.add(near);
    near.pipe(far).pipe(near);
    for (const [one, other] of [[near, far], [far, near]]) {
      one.on('error', () => other.destroy());
      one.on('close', () => { other.destroy(); open.delete(near); });
    }
  });
  return {
    addr: `127.0.0.1:${await listening(relay)}`,
    cut() {
      broken = true;
      for (const near of open) near.destroy();
    },
    mend() { broken = false; },
  };
}
