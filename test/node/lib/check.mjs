// A check is one promise of the broker, tried once. Each prints one JSON line,
// {"check": name, "error": text}, and the program ends with {"done": number}.
import assert from 'node:assert/strict';
import {MomentoErrorCode} from '@gomomento/sdk';

let made = 0;
let names = 0;
const taken = new Set();

function print(line) {
  process.stdout.write(JSON.stringify(line) + '\n');
}

/** Runs one check; a failure is reported and does not stop the others. */
export async function check(name, body) {
  assert(!taken.has(name), `two checks are called ${name}`);
  taken.add(name);
  made++;
  try {
    await body();
    print({check: name});
  } catch (e) {
    print({check: name, error: String(e?.stack ?? e)});
  }
}

/** Ends the program after its last check. */
export function finish() {
  process.stdout.write(JSON.stringify({done: made}) + '\n', () => process.exit(0));
}

/** A name that nothing else in this run uses. */
export function fresh(what) {
  return `${what}-${process.pid}-${++names}`;
}

/** Demands a response of the given kind, and shows the error otherwise. */
export function is(response, type) {
  assert.equal(response.type, type, `wanted ${type}, got ${describe(response)}`);
  return response;
}

/** Demands an error with the given code, and optionally words in its text. */
export function refused(response, code, words) {
  assert.equal(response.type, 'Error', `wanted ${code}, got ${describe(response)}`);
  failedWith(response, code);
  if (words !== undefined) assert.match(response.message(), words);
  return response;
}

/** Demands the SDK's error code of that name. */
export function failedWith(error, code) {
  assert(code in MomentoErrorCode, `the SDK has no code ${code}`);
  assert.equal(error.errorCode(), MomentoErrorCode[code], `wanted ${code}, got ${error.errorCode()}: ${error.message()}`);
}

export function describe(response) {
  return response.type === 'Error' ? `${response.errorCode()}: ${response.message()}` : response.toString();
}

/** Text of the pieces as the broker's bytes. */
export function bytes(...numbers) {
  return Uint8Array.from(numbers);
}

const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

/** Looks at a condition until it holds; fails when it never does. */
export async function eventually(what, condition, seconds = 20) {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    if (await condition()) return;
    assert(performance.now() < deadline, `waited ${seconds} s for ${what}`);
    await pause(10);
  }
}

/** Resolves at the given moment of performance.now(). */
export function at(moment) {
  return pause(Math.max(0, moment - performance.now()));
}

/**
 * Watches an item expire. It must be there for as long as the broker cannot
 * possibly have reached the end of its life, and must be gone for every
 * question asked after that end: written is when the write was sent, acked when
 * its answer came. The broker counts whole milliseconds of the wall clock, so
 * each side gives it one.
 */
export async function expires({written, acked, ttlMs, exists}) {
  for (;;) {
    const asked = Date.now();
    const there = await exists();
    const answered = Date.now();
    if (there) {
      assert(asked <= acked + ttlMs + 1, `still there ${asked - acked} ms after a write with a life of ${ttlMs} ms`);
    } else {
      assert(answered >= written + ttlMs - 1, `gone ${answered - written} ms after a write with a life of ${ttlMs} ms`);
      return;
    }
    await pause(10);
  }
}
