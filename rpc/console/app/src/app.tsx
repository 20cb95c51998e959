import {useSignal} from '@preact/signals';
import {useEffect, useRef} from 'preact/hooks';
import {cache, caches, chooseCache, refreshCaches} from './state/cache';
import {address, go, page, params, type Page, pages} from './state/route';
import {clients, key, mayEnter, refreshSession, session, sessionRefusal, signOut} from './state/session';
import {lang, setLang, setTheme, t, theme, type Theme} from './state/settings';
import {Button, Empty, Loading, Wrong} from './ui/basic';
import {Icon} from './ui/icon';
import {Toast} from './ui/toast';
import {CachesPage} from './pages/caches';
import {ClusterPage} from './pages/cluster';
import {DataPage} from './pages/data';
import {SignIn} from './pages/signin';
import {TokensPage} from './pages/tokens';
import {TopicsPage} from './pages/topics';
import {UsagePage} from './pages/usage';
import type {Lang} from './lib/format';

const bodies: Record<Page, () => preact.JSX.Element> = {
  caches: CachesPage,
  topics: TopicsPage,
  data: DataPage,
  tokens: TokensPage,
  cluster: ClusterPage,
  usage: UsagePage,
};

/** The pages that work in the chosen cache; links to them keep it. */
const inCache = new Set<Page>(['topics', 'data']);

export function App() {
  useEffect(() => void refreshSession(), []);
  useEffect(() => {
    if (mayEnter.value) void refreshCaches();
  }, [mayEnter.value, clients.value]);
  const main = useRef<HTMLElement>(null);
  const at = page.value;
  useEffect(() => {
    document.title = `${at ? t(`nav.${at}`) : t('app.notFound')} · ${t('app.title')}`;
  }, [at, lang.value]);

  return (
    <>
      <button class="skip" onClick={() => main.current?.focus()}>{t('app.skip')}</button>
      <Side />
      <main ref={main} tabIndex={-1}>
        <Body at={at} />
      </main>
      <Toast />
    </>
  );
}

function Body({at}: {at: Page | undefined}) {
  if (!session.value) {
    return sessionRefusal.value
      ? <Wrong refusal={sessionRefusal.value} retry={() => void refreshSession()} />
      : <Loading />;
  }
  if (!mayEnter.value) return <SignIn />;
  if (!at) return <Empty><p>{t('app.notFound')}</p><a href={address('caches')}>{t('app.home')}</a></Empty>;
  const Page = bodies[at];
  return <Page />;
}

function Side() {
  const open = useSignal(false);
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    open.value = false;
    nav.current?.querySelector('[aria-current]')?.scrollIntoView({block: 'nearest', inline: 'center'});
  }, [page.value, mayEnter.value]);
  return (
    <div class="side" data-open={open.value}>
      <div class="brand">
        <a href={address('caches')}><Icon name="mayfly" /><span>Mayfly</span></a>
        <button class="menu" aria-expanded={open.value} aria-label={t('app.menu')} onClick={() => { open.value = !open.value; }}>
          <Icon name="settings" />
        </button>
      </div>
      {mayEnter.value && <CachePicker />}
      {mayEnter.value && (
        <nav ref={nav} aria-label={t('app.nav')}>
          {pages.map(p => (
            <a key={p} href={address(p, inCache.has(p) && cache.value ? {cache: cache.value} : {})} aria-current={page.value === p ? 'page' : undefined}>
              <Icon name={p} /><span>{t(`nav.${p}`)}</span>
            </a>
          ))}
        </nav>
      )}
      <Settings />
    </div>
  );
}

function CachePicker() {
  const names = caches.value ?? [];
  const known = cache.value === '' || names.includes(cache.value) ? names : [...names, cache.value];
  return (
    <label class="picker">
      <span>{t('caches.name')}</span>
      <select value={cache.value} disabled={known.length === 0} onChange={event => {
        const name = event.currentTarget.value;
        chooseCache(name);
        // What the page shows is of the other cache: begin there with nothing open.
        if (params.value.has('cache') && page.value) go(page.value, {cache: name});
      }}>
        {cache.value === '' && <option value="">—</option>}
        {known.map(name => <option key={name} value={name}>{name}</option>)}
      </select>
    </label>
  );
}

function Settings() {
  return (
    <div class="settings">
      {session.value && (
        <p class="where" title={session.value.cluster}>
          <strong>{session.value.node}</strong> <span>{session.value.version}</span>
          {session.value.open && <small>{t('app.open')}</small>}
        </p>
      )}
      <div class="row tight">
        <label>
          <span class="away">{t('app.theme')}</span>
          <select value={theme.value} onChange={e => setTheme(e.currentTarget.value as Theme)}>
            <option value="auto">{t('app.theme.auto')}</option>
            <option value="light">{t('app.theme.light')}</option>
            <option value="dark">{t('app.theme.dark')}</option>
          </select>
        </label>
        <label>
          <span class="away">{t('app.language')}</span>
          <select value={lang.value} onChange={e => setLang(e.currentTarget.value as Lang)}>
            <option value="en" lang="en">English</option>
            <option value="ja" lang="ja">日本語</option>
          </select>
        </label>
      </div>
      {key.value !== '' && mayEnter.value && <Button small onClick={signOut}>{t('app.signOut')}</Button>}
      <a class="fine" href="/console/licenses.txt" target="_blank" rel="noreferrer">{t('app.licenses')}</a>
    </div>
  );
}
