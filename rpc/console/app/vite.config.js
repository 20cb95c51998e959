import {defineConfig} from 'vite';

/** The node that the development server passes everything but the page to. */
const node = process.env.MAYFLY_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  base: '/console/',
  oxc: {jsx: {runtime: 'automatic', importSource: 'preact'}},
  build: {
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // The policy of the page allows files of its own origin and no data: URL.
    assetsInlineLimit: 0,
    modulePreload: {polyfill: false},
    // Whoever gets the pages gets the terms of what is in them.
    license: {fileName: 'licenses.txt'},
    // Most of it is the SDK, and there is nothing to show before it is there.
    chunkSizeWarningLimit: 2000,
    // google-protobuf contains an eval that nobody calls; the policy forbids it too.
    rolldownOptions: {checks: {eval: false}},
  },
  server: {proxy: {'^/(?!console/)|^/console/api/': {target: node}}},
});
