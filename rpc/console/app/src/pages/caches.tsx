import {useSignal} from '@preact/signals';
import {createCache, deleteCache, flushCache} from '../broker/caches';
import {cache, caches, cachesRefusal, chooseCache, refreshCaches} from '../state/cache';
import {address} from '../state/route';
import {clients, session} from '../state/session';
import {t} from '../state/settings';
import {Button, Code, Empty, Field, Heading, Loading, Wrong} from '../ui/basic';
import {Confirm} from '../ui/confirm';
import {useTask} from '../ui/task';
import {toast} from '../ui/toast';

interface Asked {
  what: 'delete' | 'flush';
  name: string;
}

export function CachesPage() {
  const asked = useSignal<Asked | undefined>(undefined);
  return (
    <>
      <Heading title={t('caches.title')} lead={t('caches.lead')} />
      <NewCache />
      <Wrong refusal={cachesRefusal.value} retry={() => void refreshCaches()} />
      <Table ask={question => { asked.value = question; }} />
      <Connect />
      {asked.value && <Question asked={asked.value} onClose={() => { asked.value = undefined; }} />}
    </>
  );
}

function NewCache() {
  const name = useSignal('');
  const task = useTask();
  const submit = async (event: Event) => {
    event.preventDefault();
    const wanted = name.value.trim();
    await task.run(async () => {
      const isNew = await createCache(clients.value, wanted);
      await refreshCaches();
      chooseCache(wanted);
      name.value = '';
      toast(t(isNew ? 'caches.created' : 'caches.exists', {cache: wanted}));
    });
  };
  return (
    <form class="card line" onSubmit={event => void submit(event)}>
      <Field label={t('caches.new.name')} class="grow">
        {id => (
          <input id={id} required autocomplete="off" spellcheck={false} maxLength={255} value={name.value} onInput={e => { name.value = e.currentTarget.value; }} />
        )}
      </Field>
      <Button type="submit" look="main" busy={task.busy.value}>{t('do.create')}</Button>
      <Wrong refusal={task.refusal.value} />
    </form>
  );
}

function Table({ask}: {ask: (asked: Asked) => void}) {
  if (!caches.value) return cachesRefusal.value ? null : <Loading />;
  if (caches.value.length === 0) return <Empty><p>{t('caches.empty')}</p></Empty>;
  return (
    <div class="card table">
      <table>
        <thead>
          <tr>
            <th scope="col">{t('caches.name')}</th>
            <th scope="col" class="actions"><span class="away">{t('col.actions')}</span></th>
          </tr>
        </thead>
        <tbody>
          {caches.value.map(name => (
            <tr key={name} aria-current={name === cache.value ? 'true' : undefined}>
              <th scope="row">
                <span class="name">{name}</span>
                {name === cache.value && <span class="badge good">{t('caches.current')}</span>}
              </th>
              <td class="actions">
                <a class="button quiet small" href={address('topics', {cache: name})} onClick={() => chooseCache(name)}>{t('nav.topics')}</a>
                <a class="button quiet small" href={address('data', {cache: name})} onClick={() => chooseCache(name)}>{t('nav.data')}</a>
                {name !== cache.value && (
                  <Button small onClick={() => chooseCache(name)} aria-label={`${t('caches.choose')} ${name}`}>{t('caches.choose')}</Button>
                )}
                <Button small onClick={() => ask({what: 'flush', name})} aria-label={`${t('caches.flush')}: ${name}`}>{t('caches.flush')}</Button>
                <Button small look="danger" onClick={() => ask({what: 'delete', name})} aria-label={`${t('do.delete')}: ${name}`}>{t('do.delete')}</Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Question({asked: {what, name}, onClose}: {asked: Asked; onClose: () => void}) {
  const work = async () => {
    await (what === 'delete' ? deleteCache : flushCache)(clients.value, name);
    await refreshCaches();
    toast(t(what === 'delete' ? 'caches.deleted' : 'caches.flushed', {cache: name}));
  };
  return (
    <Confirm
      title={t(`caches.${what}.title`, {cache: name})}
      text={t(`caches.${what}.text`)}
      action={t(`caches.${what}.do`)}
      word={{label: t('caches.delete.type', {cache: name}), is: name}}
      work={work}
      onClose={onClose}
    />
  );
}

function Connect() {
  const name = cache.value || 'CACHE';
  const header = session.value?.open ? '' : ` -H "Authorization: $MAYFLY_API_KEY"`;
  const topic = `'${location.origin}/topics/${encodeURIComponent(name).replace(/'/g, '%27')}/room-1'`;
  return (
    <section class="card">
      <h2>{t('caches.connect')}</h2>
      <p>{t('caches.connect.lead')}</p>
      <dl class="codes">
        <dt>{t('caches.connect.address')}</dt>
        <dd><Code text={location.origin} label={t('caches.connect.address')} /></dd>
        <dt>{t('caches.connect.curl')}</dt>
        <dd><Code text={`curl${header} -d 'hello' ${topic}`} label={t('caches.connect.curl')} /></dd>
        <dt>{t('caches.connect.listen')}</dt>
        <dd><Code text={`curl -N${header} -H 'Accept: text/event-stream' ${topic}`} label={t('caches.connect.listen')} /></dd>
      </dl>
    </section>
  );
}
