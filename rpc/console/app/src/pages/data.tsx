import {useSignal} from '@preact/signals';
import {useEffect, useMemo} from 'preact/hooks';
import {Place} from '../broker/data';
import {cache} from '../state/cache';
import {Opened, recent, remember} from '../state/opened';
import {address, go, params} from '../state/route';
import {clients} from '../state/session';
import {f, t} from '../state/settings';
import {Button, Empty, Field, Heading, Loading, Wrong} from '../ui/basic';
import {Confirm} from '../ui/confirm';
import {Countdown} from '../ui/countdown';
import {LifeField, secondsOf} from '../ui/life';
import {NeedCache} from '../ui/need';
import {useTask} from '../ui/task';
import {toast} from '../ui/toast';
import {Collection} from './collection';
import {Create} from './create';
import {ItemEditor} from './item';

export function DataPage() {
  const name = params.value.get('name') ?? '';
  return (
    <>
      <Heading title={t('data.title')} lead={t('data.lead')} />
      <NeedCache>
        <Choose key={`${cache.value}/${name}`} name={name} />
        {name === ''
          ? <Empty><p>{t('data.closed')}</p></Empty>
          : <View key={`${cache.value}/${name}/${clients.value.key}`} name={name} />}
      </NeedCache>
    </>
  );
}

function Choose({name}: {name: string}) {
  const typed = useSignal(name);
  const submit = (event: Event) => {
    event.preventDefault();
    go('data', {cache: cache.value, name: typed.value});
  };
  const others = recent.value.filter(r => r.cache === cache.value && r.name !== name);
  return (
    <form class="card line" onSubmit={submit}>
      <Field label={t('data.name')} hint={name === '' ? t('data.name.hint') : undefined} class="grow">
        {(id, described) => (
          <input
            id={id} required autocomplete="off" spellcheck={false} autofocus={name === ''} aria-describedby={described}
            value={typed.value} onInput={e => { typed.value = e.currentTarget.value; }}
          />
        )}
      </Field>
      <Button type="submit" look={name === '' ? 'main' : 'plain'} disabled={typed.value === '' || typed.value === name}>{t('do.open')}</Button>
      {others.length > 0 && (
        <p class="recent hint">
          {t('data.recent')}: {others.map(r => <a key={r.name} href={address('data', {cache: r.cache, name: r.name})}>{r.name}</a>)}
        </p>
      )}
    </form>
  );
}

function View({name}: {name: string}) {
  const opened = useMemo(() => new Opened(new Place(clients.value, cache.value, name)), []);
  useEffect(() => {
    remember(cache.value, name);
    void opened.read();
  }, []);
  const content = opened.content.value;
  return (
    <>
      <Wrong refusal={opened.refusal.value} retry={() => void opened.read()} />
      {!content && !opened.refusal.value && <Loading />}
      {content && !content.kind && <Create opened={opened} />}
      {content?.kind && (
        <section class="card" aria-labelledby="opened-title">
          <Head opened={opened} />
          {content.kind === 'item' ? <ItemEditor key={content.expiresAt} opened={opened} /> : <Collection opened={opened} />}
        </section>
      )}
    </>
  );
}

function Head({opened}: {opened: Opened}) {
  const asked = useSignal(false);
  const content = opened.content.value;
  const {name} = opened.place;
  if (!content?.kind) return null;
  return (
    <>
      <div class="row spread">
        <h2 id="opened-title" class="name">{name} <span class="badge">{t(`data.kind.${content.kind}`)}</span></h2>
        <div class="row tight">
          <Button small onClick={() => void opened.read()}>{t('do.refresh')}</Button>
          <Button small look="danger" onClick={() => { asked.value = true; }}>{t('do.delete')}</Button>
        </div>
      </div>
      <dl class="facts">
        <div>
          <dt>{t('data.ttl')}</dt>
          <dd>{content.expiresAt !== undefined && <Countdown until={content.expiresAt} gone={t('data.ttl.gone')} />}</dd>
        </div>
        {content.kind === 'item'
          ? <div><dt>{t('data.size')}</dt><dd>{f.value.size(content.value?.length ?? 0)}</dd></div>
          : <div><dt>{t('data.length')}</dt><dd>{f.value.count(content.length)}</dd></div>}
      </dl>
      <NewLife opened={opened} />
      {asked.value && (
        <Confirm
          title={t('data.delete.title', {name})} text={t('data.delete.text')} action={t('do.delete')}
          work={async () => {
            await opened.place.delete();
            await opened.read();
            toast(t('data.deleted', {name}));
          }}
          onClose={() => { asked.value = false; }}
        />
      )}
    </>
  );
}

function NewLife({opened}: {opened: Opened}) {
  const life = useSignal({value: '1', unit: 'h'});
  const task = useTask();
  const submit = (event: Event) => {
    event.preventDefault();
    const seconds = secondsOf(life.value);
    if (seconds === undefined) return;
    void task.run(async () => {
      await opened.place.setLife(seconds);
      await opened.read();
      toast(t('data.ttl.changed'));
    });
  };
  return (
    <details class="more">
      <summary>{t('data.ttl.set')}</summary>
      <form class="line" onSubmit={submit}>
        <LifeField label={t('data.ttl.set')} life={life} />
        <Button type="submit" busy={task.busy.value}>{t('data.ttl.change')}</Button>
        <Wrong refusal={task.refusal.value} />
      </form>
    </details>
  );
}
