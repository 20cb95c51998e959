import {useSignal, type Signal} from '@preact/signals';
import {mintToken} from '../broker/wire';
import {wrap} from '../lib/credential';
import {moment} from '../lib/format';
import {clash, roles, sentence, type About, type Permission, type Role, type Select} from '../lib/scope';
import {cache, caches} from '../state/cache';
import {clients} from '../state/session';
import {lang, t} from '../state/settings';
import {Button, Copy, Field, Wrong} from '../ui/basic';
import {Countdown} from '../ui/countdown';
import {LifeField, secondsOf} from '../ui/life';
import {useTask} from '../ui/task';

interface Minted {
  raw: string;
  expiresAt: number;
  sentences: string[];
}

export function Mint({onInspect}: {onInspect: (raw: string) => void}) {
  const permissions = useSignal<Permission[]>([
    {about: 'topic', role: 'publishsubscribe', cache: cache.value || null, select: 'all', name: ''},
  ]);
  const life = useSignal({value: '1', unit: 'h'});
  const tokenId = useSignal('');
  const minted = useSignal<Minted | undefined>(undefined);
  const task = useTask();

  const all = permissions.value;
  const change = (i: number, to: Permission) => {
    permissions.value = all.map((p, k) => (k === i ? to : p));
  };
  const doubled = all.some((p, i) => all.slice(0, i).some(q => clash(p, q)));
  const ready = !doubled && all.every(p => p.select === 'all' || p.name !== '');
  const submit = (event: Event) => {
    event.preventDefault();
    const seconds = secondsOf(life.value);
    if (seconds === undefined || !ready) return;
    void task.run(async () => {
      const token = await mintToken(clients.value, all, Math.ceil(seconds), tokenId.value.trim());
      minted.value = {...token, sentences: all.map(p => sentence(lang.value, p))};
    });
  };

  return (
    <section class="card" aria-labelledby="mint-title">
      <h2 id="mint-title">{t('tokens.mint')}</h2>
      <form onSubmit={submit}>
        {all.map((p, i) => (
          <PermissionFields
            key={i} n={i + 1} permission={p} onChange={to => change(i, to)}
            onRemove={all.length > 1 ? () => { permissions.value = all.filter((_, k) => k !== i); } : undefined}
          />
        ))}
        {doubled && <p class="hint wrong" role="alert">{t('tokens.doubled')}</p>}
        <Button small onClick={() => {
          permissions.value = [...all, {about: 'cache', role: 'readonly', cache: cache.value || null, select: 'all', name: ''}];
        }}>{t('tokens.permission.add')}</Button>
        <div class="pair">
          <LifeField label={t('tokens.life')} life={life} />
          <Field label={t('tokens.id')} hint={t('tokens.id.hint')}>
            {(id, described) => (
              <input id={id} maxLength={64} autocomplete="off" spellcheck={false} aria-describedby={described} value={tokenId.value} onInput={e => { tokenId.value = e.currentTarget.value; }} />
            )}
          </Field>
        </div>
        <Wrong refusal={task.refusal.value} />
        <Button type="submit" look="main" disabled={!ready} busy={task.busy.value}>{t('tokens.create')}</Button>
      </form>
      {minted.value && <Result minted={minted as Signal<Minted | undefined>} onInspect={onInspect} />}
    </section>
  );
}

interface FieldsProps {
  n: number;
  permission: Permission;
  onChange: (to: Permission) => void;
  onRemove: (() => void) | undefined;
}

function PermissionFields({n, permission: p, onChange, onRemove}: FieldsProps) {
  const names = new Set(caches.value ?? []);
  if (p.cache !== null) names.add(p.cache);
  return (
    <fieldset class="permission">
      <legend>{t('tokens.permission', {n})}</legend>
      <div class="four">
        <Field label={t('tokens.about')}>
          {id => (
            <select id={id} value={p.about} onChange={e => {
              const about = e.currentTarget.value as About;
              onChange({...p, about, role: roles[about][0]});
            }}>
              <option value="topic">{t('tokens.about.topic')}</option>
              <option value="cache">{t('tokens.about.cache')}</option>
            </select>
          )}
        </Field>
        <Field label={t('tokens.role')}>
          {id => (
            <select id={id} value={p.role} onChange={e => onChange({...p, role: e.currentTarget.value as Role})}>
              {roles[p.about].map(role => <option key={role} value={role}>{t(`tokens.role.${role}`)}</option>)}
            </select>
          )}
        </Field>
        <Field label={t('tokens.cache')}>
          {id => (
            // The sign in front tells a name, which may be anything, from none.
            <select id={id} value={p.cache === null ? '' : `=${p.cache}`} onChange={e => {
              const {value} = e.currentTarget;
              onChange({...p, cache: value === '' ? null : value.slice(1)});
            }}>
              <option value="">{t('tokens.cache.all')}</option>
              {[...names].map(name => <option key={name} value={`=${name}`}>{name}</option>)}
            </select>
          )}
        </Field>
        <Field label={t('tokens.select')}>
          {id => (
            <select id={id} value={p.select} onChange={e => {
              const select = e.currentTarget.value as Select;
              onChange({...p, select, name: select === 'all' ? '' : p.name});
            }}>
              {(['all', 'exact', 'prefix'] as const).map(s => <option key={s} value={s}>{t(`tokens.select.${s}`)}</option>)}
            </select>
          )}
        </Field>
        {p.select !== 'all' && (
          <Field label={t('tokens.select.name')} class="wide">
            {id => <input id={id} required autocomplete="off" spellcheck={false} value={p.name} onInput={e => onChange({...p, name: e.currentTarget.value})} />}
          </Field>
        )}
      </div>
      {onRemove && <Button small look="quiet" onClick={onRemove} aria-label={t('tokens.permission.remove', {n})}>{t('do.delete')}</Button>}
    </fieldset>
  );
}

function Result({minted, onInspect}: {minted: Signal<Minted | undefined>; onInspect: (raw: string) => void}) {
  const token = minted.value;
  if (!token) return null;
  const wrapped = wrap(token.raw, location.host);
  return (
    <div class="result" role="status">
      <h3>{t('tokens.created')}</h3>
      <ul>{token.sentences.map(s => <li key={s}>{s}</li>)}</ul>
      <p>{t('tokens.expires')} <Countdown until={token.expiresAt} gone={t('tokens.expired')} /> <span class="hint">{t('tokens.expires.at', {time: moment(token.expiresAt)})}</span></p>
      <Secret label={t('tokens.form.sdk')} text={wrapped} />
      <Secret label={t('tokens.form.raw')} text={token.raw} />
      <div class="row">
        <Button small onClick={() => onInspect(token.raw)}>{t('tokens.inspectThis')}</Button>
        <Button small look="quiet" onClick={() => { minted.value = undefined; }}>{t('tokens.discard')}</Button>
      </div>
    </div>
  );
}

function Secret({label, text}: {label: string; text: string}) {
  return (
    <Field label={label}>
      {id => (
        <div class="joined">
          <input id={id} class="mono" readOnly value={text} onFocus={e => e.currentTarget.select()} />
          <Copy text={text} label={label} />
        </div>
      )}
    </Field>
  );
}
