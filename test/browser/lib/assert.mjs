// The few assertions that the programs use, for a page, in the strict meaning of
// Node.js.
function show(value) {
  if (value instanceof Uint8Array) return `bytes ${[...value]}`;
  return typeof value === 'string' ? JSON.stringify(value) : JSON.stringify(value) ?? String(value);
}

function same(a, b) {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Map) return a.size === b.size && [...a].every(([key, value]) => b.has(key) && same(value, b.get(key)));
  if (a instanceof Set) return a.size === b.size && [...a].every(value => b.has(value));
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every(key => Object.hasOwn(b, key) && same(a[key], b[key]));
}

export default function assert(value, message = `wanted something true, got ${show(value)}`) {
  if (!value) throw new Error(message);
}

Object.assign(assert, {
  equal: (got, want, message = `wanted ${show(want)}, got ${show(got)}`) => assert(Object.is(got, want), message),
  notEqual: (got, other, message = `wanted something else than ${show(other)}`) => assert(!Object.is(got, other), message),
  deepEqual: (got, want, message = `wanted ${show(want)}, got ${show(got)}`) => assert(same(got, want), message),
  match: (got, pattern, message = `wanted ${pattern}, got ${show(got)}`) => assert(pattern.test(got), message),
  fail: message => assert(false, message),
});
