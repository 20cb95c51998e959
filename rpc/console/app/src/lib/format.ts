// Numbers, sizes and times as people read them. The language is an argument:
// these functions know nothing of the page.

export type Lang = 'en' | 'ja';

const cached = new Map<string, Intl.NumberFormat>();

function numbers(lang: Lang, digits: number): Intl.NumberFormat {
  const key = `${lang}${digits}`;
  let format = cached.get(key);
  if (!format) {
    format = new Intl.NumberFormat(lang, {maximumFractionDigits: digits});
    cached.set(key, format);
  }
  return format;
}

/** A count, with separators: 12,345. */
export function count(n: number, lang: Lang): string {
  return numbers(lang, 0).format(n);
}

/** A measured number with as many digits as say something: 0.25, 3.4, 120. */
export function amount(n: number, lang: Lang): string {
  const digits = n === 0 || Math.abs(n) >= 100 ? 0 : Math.abs(n) >= 1 ? 1 : 2;
  return numbers(lang, digits).format(n);
}

const units = ['B', 'KB', 'MB', 'GB', 'TB'];

/** A number of bytes: 512 B, 1.5 KB. One KB is 1024 bytes. */
export function size(bytes: number, lang: Lang): string {
  let n = bytes;
  let unit = 0;
  while (Math.abs(n) >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${unit === 0 ? amount(n, lang) : numbers(lang, n >= 100 ? 0 : 1).format(n)} ${units[unit]}`;
}

/** A large number in few letters, for an axis: 1.2k, 3M. */
export function short(n: number, lang: Lang): string {
  const abs = Math.abs(n);
  if (abs >= 1e9) return `${numbers(lang, 1).format(n / 1e9)}G`;
  if (abs >= 1e6) return `${numbers(lang, 1).format(n / 1e6)}M`;
  if (abs >= 1e4) return `${numbers(lang, 1).format(n / 1e3)}k`;
  return numbers(lang, abs < 1 ? 2 : 1).format(n);
}

const pad = (n: number, width = 2): string => String(n).padStart(width, '0');

/** The time of day, with milliseconds when asked: 14:03:07.123. */
export function clock(ms: number, withMillis = false): string {
  const d = new Date(ms);
  const time = `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
  return withMillis ? `${time}.${pad(d.getMilliseconds(), 3)}` : time;
}

/** Date and time: 2026-11-21 14:03:07. */
export function moment(ms: number): string {
  const d = new Date(ms);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${clock(ms)}`;
}

const spans: Record<Lang, {d: string; h: string; m: string; s: string}> = {
  en: {d: ' d', h: ' h', m: ' min', s: ' s'},
  ja: {d: '日', h: '時間', m: '分', s: '秒'},
};

/** A length of time in its two largest units: 2 d 3 h, 4 min 05 s, 12 s. */
export function span(ms: number, lang: Lang): string {
  const u = spans[lang];
  const s = Math.max(0, Math.ceil(ms / 1000));
  const gap = lang === 'ja' ? '' : ' ';
  if (s < 60) return `${s}${u.s}`;
  if (s < 3600) return `${Math.floor(s / 60)}${u.m}${gap}${pad(s % 60)}${u.s}`;
  if (s < 86400) return `${Math.floor(s / 3600)}${u.h}${gap}${pad(Math.floor(s / 60) % 60)}${u.m}`;
  return `${Math.floor(s / 86400)}${u.d}${gap}${Math.floor(s / 3600) % 24}${u.h}`;
}

/** The units that a life is given in, in seconds. */
export const unitSeconds: Record<string, number> = {s: 1, min: 60, h: 3600, d: 86400};
