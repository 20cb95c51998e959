import assert from 'node:assert/strict';
import {test} from 'node:test';
import {load} from './load.mjs';

const {amount, count, short, size, span} = await load('lib/format.ts');
const {area, line, peak, rates, ticks, timeTicks} = await load('lib/axis.ts');
const {lastPage, slice} = await load('lib/pages.ts');
const {Bounded} = await load('lib/bounded.ts');

test('numbers and sizes', () => {
  assert.equal(count(1234567, 'en'), '1,234,567');
  for (const [n, text] of [[0, '0'], [0.256, '0.26'], [3.14, '3.1'], [99.96, '100'], [1234.5, '1,235']]) assert.equal(amount(n, 'en'), text);
  for (const [n, text] of [[0, '0 B'], [512, '512 B'], [1024, '1 KB'], [1536, '1.5 KB'], [1 << 20, '1 MB'], [5 * 2 ** 40, '5 TB']]) {
    assert.equal(size(n, 'en'), text);
  }
  for (const [n, text] of [[0.5, '0.5'], [9999, '9,999'], [12_000, '12k'], [1.5e6, '1.5M'], [2e9, '2G']]) assert.equal(short(n, 'en'), text);
});

test('lengths of time', () => {
  const s = 1000, m = 60 * s, h = 60 * m, d = 24 * h;
  for (const [ms, en, ja] of [
    [-5, '0 s', '0秒'], [1, '1 s', '1秒'], [59 * s, '59 s', '59秒'], [4 * m + 5 * s, '4 min 05 s', '4分05秒'],
    [h, '1 h 00 min', '1時間00分'], [2 * d + 3 * h, '2 d 3 h', '2日3時間'],
  ]) {
    assert.equal(span(ms, 'en'), en);
    assert.equal(span(ms, 'ja'), ja);
  }
});

test('an axis begins at 0, ends at or above the peak, and has few round marks', () => {
  for (const base of [10, 1024]) {
    for (let max = 0.001; max < 1e13; max *= 1.7) {
      const marks = ticks(max, 4, base);
      assert.equal(marks[0], 0);
      assert.ok(marks.at(-1) >= max * 0.999999, `${marks} for ${max}`);
      assert.ok(marks.at(-2) < max, `${marks} for ${max}`);
      assert.ok(marks.length <= 6, `${marks} for ${max}`);
    }
  }
  assert.deepEqual(ticks(0), [0, 1]);
  assert.deepEqual(ticks(0.3), [0, 0.1, 0.2, 0.3]);
  assert.deepEqual(ticks(1_000_000, 4, 1024), [0, 262144, 524288, 786432, 1048576]);
  assert.equal(peak([[null, 1], [3, null]]), 3);
  assert.equal(peak([[null]]), 0);
});

test('marks of time are full quarters of an hour', () => {
  const from = Date.UTC(2026, 10, 21, 9, 7), quarter = 15 * 60_000;
  const marks = timeTicks(from, from + 3_600_000, quarter);
  assert.equal(marks.length, 4);
  for (const mark of marks) assert.equal(new Date(mark).getMinutes() % 15, 0);
  assert.ok(marks[0] >= from && marks[0] < from + quarter);
});

test('a line is interrupted where nothing was measured', () => {
  const x = i => i * 10, y = v => 100 - v;
  assert.equal(line([1, 2, null, 4, 5], x, y), 'M0.0 99.0L10.0 98.0M30.0 96.0L40.0 95.0');
  assert.equal(line([null, 7, null], x, y), 'M10.0 93.0h0.1');
  assert.equal(line([null, null], x, y), '');
  assert.equal(area([1, 2, null, 4], x, y, 100), 'M0.0 100L0.0 99.0L10.0 98.0L10.0 100ZM30.0 100L30.0 96.0L30.0 100Z');
  assert.deepEqual(rates([20, null, 0], 10_000), [2, null, 0]);
});

test('pages of a list', () => {
  assert.deepEqual(slice(0, 50, 0), {start: 0, end: 0});
  assert.deepEqual(slice(0, 50, 20), {start: 0, end: 20});
  assert.deepEqual(slice(1, 50, 100), {start: 50, end: 100});
  assert.deepEqual(slice(9, 50, 101), {start: 100, end: 101}, 'behind the end is the last page');
  assert.deepEqual([0, 1, 50, 51].map(n => lastPage(50, n)), [0, 0, 0, 1]);
});

test('the bounded rows keep the newest, by number and by weight', () => {
  const rows = new Bounded(3, 10, row => row);
  for (const weight of [1, 2, 3, 4]) rows.add(weight);
  assert.deepEqual(rows.rows, [2, 3, 4]);
  rows.add(5);
  assert.deepEqual(rows.rows, [4, 5], '3 + 4 + 5 is too heavy');
  rows.add(99);
  assert.deepEqual(rows.rows, [99], 'the newest stays however heavy');
  assert.equal(rows.forgotten, 5);
  rows.add(1);
  assert.deepEqual(rows.rows, [1], 'and goes when another comes');
  rows.clear();
  assert.deepEqual([rows.rows, rows.forgotten], [[], 0]);
});
