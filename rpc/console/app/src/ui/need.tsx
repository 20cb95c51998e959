import type {ComponentChildren} from 'preact';
import {cache} from '../state/cache';
import {address} from '../state/route';
import {t} from '../state/settings';
import {Empty} from './basic';

/** Shows its children when a cache is chosen, and how to choose one otherwise. */
export function NeedCache({children}: {children: ComponentChildren}) {
  if (cache.value !== '') return <>{children}</>;
  return <Empty><p>{t('need.cache')}</p><a class="button" href={address('caches')}>{t('need.cache.go')}</a></Empty>;
}
