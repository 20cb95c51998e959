// Hands the tests the sources as Vite builds them, so that no second tool has to
// understand TypeScript.
import {fileURLToPath} from 'node:url';
import {after} from 'node:test';
import {createServer} from 'vite';

const vite = await createServer({
  root: fileURLToPath(new URL('..', import.meta.url)),
  logLevel: 'error',
  server: {middlewareMode: true, ws: false, watch: null},
  optimizeDeps: {noDiscovery: true},
});
after(() => vite.close());

/** The module at a path below src. */
export const load = path => vite.ssrLoadModule(`/src/${path}`);
