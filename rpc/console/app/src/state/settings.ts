// What a person may set: language and theme. Kept in the browser.
import {computed, effect, signal} from '@preact/signals';
import * as format from '../lib/format';
import type {Lang} from '../lib/format';
import {preferred, say, type Key, type Values} from '../words';

export type Theme = 'auto' | 'light' | 'dark';

/** Storage may be forbidden in a browser; then a setting lives as long as the page. */
function stored(name: string): string | null {
  try {
    return localStorage.getItem(`mayfly-${name}`);
  } catch {
    return null;
  }
}

function store(name: string, value: string): void {
  try {
    localStorage.setItem(`mayfly-${name}`, value);
  } catch {
    // Nothing depends on it.
  }
}

const storedLang = stored('lang');
const storedTheme = stored('theme');

export const lang = signal<Lang>(storedLang === 'en' || storedLang === 'ja' ? storedLang : preferred(navigator.languages));
export const theme = signal<Theme>(storedTheme === 'light' || storedTheme === 'dark' ? storedTheme : 'auto');

export function setLang(value: Lang): void {
  lang.value = value;
  store('lang', value);
}

export function setTheme(value: Theme): void {
  theme.value = value;
  store('theme', value);
}

effect(() => {
  document.documentElement.lang = lang.value;
  document.documentElement.dataset['theme'] = theme.value;
});

/** A sentence in the language of the page. */
export function t(key: Key, values?: Values): string {
  return say(lang.value, key, values);
}

/** The functions of lib/format in the language of the page. */
export const f = computed(() => ({
  count: (n: number) => format.count(n, lang.value),
  amount: (n: number) => format.amount(n, lang.value),
  size: (n: number) => format.size(n, lang.value),
  short: (n: number) => format.short(n, lang.value),
  span: (ms: number) => format.span(ms, lang.value),
}));
