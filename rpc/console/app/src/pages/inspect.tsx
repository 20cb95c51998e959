import {useSignal, useSignalEffect, type Signal} from '@preact/signals';
import {inspect, type Check, type Inspection} from '../broker/node';
import {unwrap} from '../lib/credential';
import {moment} from '../lib/format';
import {permissionOf, sentence} from '../lib/scope';
import {cache, caches} from '../state/cache';
import {key} from '../state/session';
import {f, lang, t} from '../state/settings';
import type {Key} from '../words';
import {Button, Field, Wrong} from '../ui/basic';
import {Countdown} from '../ui/countdown';
import {now} from '../ui/now';
import {useTask} from '../ui/task';

/** The calls that one can ask about, and what each is about. */
const actions = {
  publish: 'topic', subscribe: 'topic', read: 'key', write: 'key',
  create_cache: 'cache', delete_cache: 'cache', flush_cache: 'cache', list_caches: 'none',
} as const;
type Action = keyof typeof actions;

export function Inspect({handed}: {handed: Signal<string>}) {
  const credential = useSignal('');
  const action = useSignal<Action | ''>('');
  const inCache = useSignal(cache.value);
  const name = useSignal('');
  const found = useSignal<Inspection | undefined>(undefined);
  const task = useTask();

  const look = () => task.run(async () => {
    found.value = undefined;
    const about = action.value === '' ? 'none' : actions[action.value];
    const check: Check | undefined = action.value === '' ? undefined : {
      action: action.value,
      cache: about === 'none' ? null : inCache.value,
      topic: about === 'topic' ? name.value : null,
      key: about === 'key' ? name.value : null,
    };
    found.value = await inspect(key.value, unwrap(credential.value), check);
  });
  useSignalEffect(() => {
    if (handed.value === '') return;
    credential.value = handed.value;
    handed.value = '';
    void look();
  });
  const about = action.value === '' ? 'none' : actions[action.value];

  return (
    <section class="card" aria-labelledby="inspect-title">
      <h2 id="inspect-title">{t('tokens.inspect')}</h2>
      <form onSubmit={event => {
        event.preventDefault();
        void look();
      }}>
        <Field label={t('tokens.credential')} hint={t('tokens.credential.hint')}>
          {(id, described) => (
            <textarea
              id={id} class="mono" rows={4} required spellcheck={false} autocomplete="off" aria-describedby={described}
              value={credential.value} onInput={e => { credential.value = e.currentTarget.value; }}
            />
          )}
        </Field>
        <fieldset class="permission">
          <legend>{t('tokens.check')}</legend>
          <div class="four">
            <Field label={t('tokens.check.action')} class="wide">
              {id => (
                <select id={id} value={action.value} onChange={e => { action.value = e.currentTarget.value as Action | ''; }}>
                  <option value="">{t('tokens.check.none')}</option>
                  {(Object.keys(actions) as Action[]).map(a => <option key={a} value={a}>{t(`tokens.action.${a}`)}</option>)}
                </select>
              )}
            </Field>
            {about !== 'none' && (
              <Field label={t('tokens.check.cache')} class={about === 'cache' ? 'wide' : ''}>
                {id => (
                  <>
                    <input id={id} list={`${id}-names`} required autocomplete="off" spellcheck={false} value={inCache.value} onInput={e => { inCache.value = e.currentTarget.value; }} />
                    <datalist id={`${id}-names`}>{(caches.value ?? []).map(c => <option key={c} value={c} />)}</datalist>
                  </>
                )}
              </Field>
            )}
            {(about === 'topic' || about === 'key') && (
              <Field label={t(about === 'topic' ? 'tokens.check.topic' : 'tokens.check.key')}>
                {id => <input id={id} required autocomplete="off" spellcheck={false} value={name.value} onInput={e => { name.value = e.currentTarget.value; }} />}
              </Field>
            )}
          </div>
        </fieldset>
        <Wrong refusal={task.refusal.value} />
        <Button type="submit" look="main" busy={task.busy.value}>{t('tokens.inspect.do')}</Button>
      </form>
      {found.value && <Found found={found.value} />}
    </section>
  );
}

const kinds: Record<string, Key> = {api_key: 'tokens.kind.api_key', token: 'tokens.kind.token', admin: 'tokens.kind.admin', foreign: 'tokens.kind.foreign'};
const signatures: Record<string, Key> = {good: 'tokens.taken.good', bad: 'tokens.taken.bad'};

function Found({found}: {found: Inspection}) {
  return (
    <div class="result" role="status">
      {found.verdict && (
        <p class={`verdict ${found.verdict.allowed ? 'good' : 'bad'}`}>
          {found.verdict.allowed ? t('tokens.allowed') : t('tokens.refused', {reason: found.verdict.reason})}
        </p>
      )}
      {found.refused && <p class="verdict bad">{t('tokens.nobody', {reason: found.refused})}</p>}
      <dl class="facts">
        <div><dt>{t('tokens.kind')}</dt><dd>{t(kinds[found.kind] ?? 'tokens.kind.other', {kind: found.kind})}</dd></div>
        <div><dt>{t('tokens.expires')}</dt><dd><Ends found={found} /></dd></div>
        <div><dt>{t('tokens.taken')}</dt><dd>{t(signatures[found.signature] ?? 'tokens.taken.unknown')}</dd></div>
        {found.token_id && <div><dt>{t('tokens.id')}</dt><dd>{found.token_id}</dd></div>}
        {found.issued_by && <div><dt>{t('tokens.issuedBy')}</dt><dd class="mono">{found.issued_by}</dd></div>}
        {found.id && <div><dt>{t('tokens.credentialId')}</dt><dd class="mono">{found.id}</dd></div>}
      </dl>
      <h3>{t('tokens.scope')}</h3>
      <Scope found={found} />
      {found.notes && found.notes.length > 0 && (
        <>
          <h3>{t('tokens.notes')}</h3>
          <ul lang="en">{found.notes.map(note => <li key={note}>{note}</li>)}</ul>
        </>
      )}
    </div>
  );
}

function Ends({found: {expires_at: at}}: {found: Inspection}) {
  if (at === null) return <>{t('tokens.never')}</>;
  if (at <= now.value) return <span class="gone">{t('tokens.expired.ago', {span: f.value.span(now.value - at)})}</span>;
  return <><Countdown until={at} gone={t('tokens.expired')} /> <span class="hint">{t('tokens.expires.at', {time: moment(at)})}</span></>;
}

function Scope({found}: {found: Inspection}) {
  if (found.scope.length === 0 && found.lines.length === 0) return <p>{t('tokens.scope.none')}</p>;
  // What has no sentence here is told in the words of the node.
  const lines = found.scope.map((entry, i) => {
    if (entry.kind === 'superuser') return t('scope.superuser');
    const permission = permissionOf(entry);
    return permission ? sentence(lang.value, permission) : found.lines[i] ?? entry.kind;
  });
  return <ul class="scope">{(lines.length > 0 ? lines : found.lines).map(line => <li key={line}>{line}</li>)}</ul>;
}
