import assert from 'node:assert/strict';
import {test} from 'node:test';
import {load} from './load.mjs';

const {bytesOf, fromBase64, sameBytes, show, textOf, toBase64} = await load('lib/text.ts');
const {isSendable, unwrap, wrap} = await load('lib/credential.ts');

test('text is shown as text, and what is not as Base64', () => {
  for (const text of ['', 'plain', 'two\nlines\tand a tab', 'héllo 日本 🦟', '\ufeffmark']) {
    assert.deepEqual(show(bytesOf(text)), {text, binary: false});
  }
  for (const bytes of [[0], [0xff, 0xfe], [0xc3], [0x1b, 0x5b], [65, 0x7f]]) {
    assert.equal(textOf(Uint8Array.from(bytes)), undefined, `${bytes}`);
    assert.equal(show(Uint8Array.from(bytes)).binary, true);
  }
});

test('Base64 there and back, in both alphabets and any length', () => {
  for (const length of [0, 1, 2, 3, 255, 0x8000, 0x8001, 100_000]) {
    const bytes = Uint8Array.from({length}, (_, i) => (i * 7 + (i >> 8)) & 0xff);
    const text = toBase64(bytes);
    assert.equal(text, Buffer.from(bytes).toString('base64'));
    assert.ok(sameBytes(fromBase64(text), bytes));
    assert.ok(sameBytes(fromBase64(Buffer.from(bytes).toString('base64url')), bytes));
  }
  assert.ok(sameBytes(fromBase64('AAEC\n /w==\n'), Uint8Array.of(0, 1, 2, 255)));
  for (const none of ['a', 'a!cd', 'ab=cd']) assert.equal(fromBase64(none), undefined, none);
});

test('a credential is found in whatever was pasted', () => {
  const raw = 'eyJhbGciOiJIUzI1NiJ9.eyJ0IjoiZyJ9.c2ln';
  assert.equal(unwrap(` ${raw}\n`), raw);
  assert.equal(unwrap(wrap(raw, 'localhost:8080')), raw);
  assert.equal(unwrap(`\n${wrap(raw, 'h')} `), raw);
  assert.deepEqual(JSON.parse(Buffer.from(wrap(raw, 'h:1'), 'base64').toString()), {endpoint: 'h:1', api_key: raw});
  // Base64 of something else is taken as it is: an opaque key may look like it.
  for (const opaque of ['bWZrXzE=', Buffer.from('{"endpoint":"x"}').toString('base64'), Buffer.from('{"api_key":1}').toString('base64')]) {
    assert.equal(unwrap(opaque), opaque);
  }
});

test('only what a header can carry is sent', () => {
  assert.ok(isSendable('mfk_abc-._~+/='));
  for (const text of ['', 'two words', 'a\nb', 'schlüssel', 'a\u0000']) assert.ok(!isSendable(text), JSON.stringify(text));
});
