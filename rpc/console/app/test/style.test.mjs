import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';

const css = readFileSync(new URL('../src/style/base.css', import.meta.url), 'utf8');
const colors = new Map([...css.matchAll(/--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g)].map(([, name, light, dark]) => [name, [light, dark]]));

/** Relative luminance of a colour, as WCAG 2 defines it. */
function luminance(hex) {
  const [r, g, b] = [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16) / 255)
    .map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

// Text of each colour on every ground that it is written on.
const written = {
  ink: ['ground', 'paper', 'sunken', 'accent-wash', 'warn-wash', 'danger-wash'],
  'ink-soft': ['ground', 'paper', 'sunken', 'accent-wash', 'warn-wash', 'danger-wash'],
  accent: ['ground', 'paper', 'sunken', 'accent-wash'],
  'accent-ink': ['accent'],
  danger: ['ground', 'paper', 'danger-wash'],
  warn: ['paper', 'warn-wash'],
  good: ['paper'],
  paper: ['ink'],
};

test('text stands out from its ground by 4.5 at least, in light and dark', () => {
  for (const [text, grounds] of Object.entries(written)) {
    for (const ground of grounds) {
      for (const [i, mode] of ['light', 'dark'].entries()) {
        const ratio = contrast(colors.get(text)[i], colors.get(ground)[i]);
        assert.ok(ratio >= 4.5, `${text} on ${ground}, ${mode}: ${ratio.toFixed(2)}`);
      }
    }
  }
});

test('edges of fields and lines of plots stand out by 3 at least', () => {
  for (const edge of ['line-strong', 'accent', 'second']) {
    for (const i of [0, 1]) assert.ok(contrast(colors.get(edge)[i], colors.get('paper')[i]) >= 3, edge);
  }
});
