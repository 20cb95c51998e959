// The dictionaries. This file knows nothing of the page, so that tests can read it.
import type {Lang} from '../lib/format';
import {en, type Key, type Words} from './en';
import {ja} from './ja';

export type {Key, Words};
export type Values = Record<string, string | number>;

export const dictionaries: Record<Lang, Words> = {en, ja};

/** A sentence with its values put in. */
export function say(lang: Lang, key: Key, values: Values = {}): string {
  return dictionaries[lang][key].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The first language of the browser that there is a dictionary for. */
export function preferred(languages: readonly string[]): Lang {
  for (const language of languages) {
    const short = language.toLowerCase().split('-')[0] ?? '';
    if (short in dictionaries) return short as Lang;
  }
  return 'en';
}
