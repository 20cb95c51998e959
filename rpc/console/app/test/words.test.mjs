import assert from 'node:assert/strict';
import {readdirSync, readFileSync} from 'node:fs';
import {test} from 'node:test';
import {load} from './load.mjs';

const {dictionaries, preferred, say} = await load('words/index.ts');
const {clash, permissionOf, roles, sentence} = await load('lib/scope.ts');

const values = text => [...text.matchAll(/\{(\w+)\}/g)].map(m => m[1]).sort();
const keys = Object.keys(dictionaries.en);

test('every language has every sentence, with the same values in it', () => {
  for (const [lang, words] of Object.entries(dictionaries)) {
    assert.deepEqual(Object.keys(words).sort(), keys.toSorted(), lang);
    for (const key of keys) {
      assert.deepEqual(new Set(values(words[key])), new Set(values(dictionaries.en[key])), `${lang} ${key}`);
      assert.notEqual(words[key].trim(), '', `${lang} ${key}`);
    }
  }
});

test('Japanese is Japanese, but for names', () => {
  const names = new Set(['topic.format.base64', 'tokens.credentialId', 'tokens.kind.other']);
  for (const key of keys) {
    if (!names.has(key)) assert.match(dictionaries.ja[key], /[\u3040-\u30ff\u4e00-\u9fff]/, key);
  }
});

test('no sentence is left that no source names', () => {
  const sources = readdirSync(new URL('../src', import.meta.url), {recursive: true, withFileTypes: true})
    .filter(f => f.isFile() && /\.tsx?$/.test(f.name) && !f.parentPath.endsWith('words'))
    .map(f => readFileSync(`${f.parentPath}/${f.name}`, 'utf8')).join('\n');
  // Some keys are put together: `nav.${page}`.
  const built = [...sources.matchAll(/`([a-zA-Z.]*)\$\{[^}]+\}([a-zA-Z.]*)(?:\$\{[^}]+\})?`/g)].filter(m => m[1].includes('.'));
  const named = key => sources.includes(`'${key}'`) || built.some(([, head, tail]) => key.startsWith(head) && key.includes(tail));
  assert.deepEqual(keys.filter(key => !named(key)), []);
});

test('values are put in, and what has none stays to be seen', () => {
  assert.equal(say('en', 'data.range', {from: 1, to: 2, count: 3}), '1 to 2 of 3');
  assert.equal(say('en', 'data.deleted', {name: '$& {name}'}), '$& {name} was deleted.');
  assert.match(say('en', 'data.deleted'), /^\{name\}/);
});

test('the language is the first one that there is', () => {
  assert.equal(preferred(['ja-JP', 'en']), 'ja');
  assert.equal(preferred(['fr', 'EN-gb', 'ja']), 'en');
  assert.equal(preferred([]), 'en');
});

test('permissions in words', () => {
  const p = {about: 'topic', role: 'subscribeonly', cache: 'chat', select: 'prefix', name: 'room-'};
  assert.equal(sentence('en', p), 'subscribe to topics beginning with “room-” of cache “chat”');
  assert.equal(sentence('en', {...p, about: 'cache', role: 'readwrite', cache: null, select: 'all'}), 'read and write all items of every cache');
  for (const lang of ['en', 'ja']) {
    for (const about of ['topic', 'cache']) {
      for (const role of roles[about]) {
        for (const select of ['all', 'exact', 'prefix']) {
          const text = sentence(lang, {about, role, cache: 'c', select, name: 'N'});
          assert.equal(text.includes('N'), select !== 'all', text);
          assert.ok(!text.includes('{'), text);
        }
      }
    }
  }
});

test('what a node tells of a scope', () => {
  assert.deepEqual(permissionOf({kind: 'topic', role: 'publishonly', cache: null, topic_prefix: 'a'}),
    {about: 'topic', role: 'publishonly', cache: null, select: 'prefix', name: 'a'});
  assert.deepEqual(permissionOf({kind: 'cache', role: 'readonly', cache: 'c', key: 'k'}),
    {about: 'cache', role: 'readonly', cache: 'c', select: 'exact', name: 'k'});
  assert.equal(permissionOf({kind: 'cache', role: 'readonly', cache: 'c'}).select, 'all');
  assert.equal(permissionOf({kind: 'superuser'}), undefined);
  assert.equal(permissionOf({kind: 'topic', role: 'readonly', cache: 'c'}), undefined, 'no role of topics');
});

test('two permissions about the same clash', () => {
  const p = {about: 'topic', role: 'publishonly', cache: 'c', select: 'exact', name: 'n'};
  assert.ok(clash(p, {...p, role: 'subscribeonly'}));
  for (const other of [{name: 'm'}, {select: 'prefix'}, {cache: null}, {about: 'cache'}]) assert.ok(!clash(p, {...p, ...other}));
  assert.ok(clash({...p, select: 'all', name: 'x'}, {...p, select: 'all', name: 'y'}));
});
