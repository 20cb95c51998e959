import {useSignal} from '@preact/signals';
import type {ComponentChildren} from 'preact';
import {editable, type Kind} from '../broker/data';
import {lastPage} from '../lib/pages';
import {bytesOf, show} from '../lib/text';
import {perPage, type Opened, type Row} from '../state/opened';
import {f, t} from '../state/settings';
import type {Key} from '../words';
import {Button, Empty, Field, Wrong} from '../ui/basic';
import {Dialog} from '../ui/confirm';
import {Glance} from '../ui/glance';
import {useTask} from '../ui/task';
import {toast} from '../ui/toast';
import {bytesOfInput, inputOf, ValueField} from '../ui/value';
import {Writer} from './writer';

/** What the first column of each type is called; a set has none. */
const heads: Partial<Record<Kind, Key>> = {list: 'data.index', dictionary: 'data.field', sortedSet: 'data.rank'};

export function Collection({opened}: {opened: Opened}) {
  const edited = useSignal<Row | undefined>(undefined);
  const removal = useTask();
  const content = opened.content.value;
  if (!content?.kind) return null;
  const {kind} = content;
  const head = heads[kind];

  const remove = (row: Row) => void removal.run(async () => {
    const {place} = opened;
    let done = true;
    if (kind === 'list') done = await place.deleteEntry(row.head as number, row.value);
    if (kind === 'dictionary') await place.removeField(row.head as string);
    if (kind === 'set') await place.removeElement(row.value);
    if (kind === 'sortedSet') await place.removeRanked(row.value);
    await opened.read();
    toast(t(done ? 'data.entry.deleted' : 'data.entry.changed'));
  });

  return (
    <>
      <Wrong refusal={removal.refusal.value} />
      {kind === 'list' && <Pager opened={opened} />}
      {content.rows.length === 0 ? <Empty><p>{t('data.none')}</p></Empty> : (
        <div class="scroll tall" tabIndex={0} role="region" aria-labelledby="opened-title">
          <table class="entries">
            <thead>
              <tr>
                {head && <th scope="col" class="head">{t(head)}</th>}
                <th scope="col">{t(kind === 'set' || kind === 'sortedSet' ? 'data.element' : 'data.value')}</th>
                {kind === 'sortedSet' && <th scope="col" class="size">{t('data.score')}</th>}
                <th scope="col" class="size">{t('data.size')}</th>
                <th scope="col" class="actions"><span class="away">{t('col.actions')}</span></th>
              </tr>
            </thead>
            <tbody>
              {content.rows.map((row, i) => (
                <Entry key={`${row.head ?? i}`} row={row} kind={kind}>
                  {kind !== 'set' && (
                    <Button small look="quiet" aria-label={t('data.entry.edit', {name: nameOf(row)})} onClick={() => { edited.value = row; }}>{t('do.edit')}</Button>
                  )}
                  <Button small look="danger" disabled={removal.busy.value} aria-label={t('data.entry.delete', {name: nameOf(row)})} onClick={() => remove(row)}>{t('do.delete')}</Button>
                </Entry>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {kind !== 'list' && content.length > content.rows.length && (
        <p class="hint">{t('data.more', {shown: f.value.count(content.rows.length), count: f.value.count(content.length)})}</p>
      )}
      <h3>{t('data.push')}</h3>
      <Writer kind={kind} place={opened.place} exists onWritten={async length => {
        await opened.read();
        toast(length === undefined ? t('data.saved') : t('data.pushed', {count: f.value.count(length)}));
      }} />
      {edited.value && <EditEntry opened={opened} kind={kind} row={edited.value} onClose={() => { edited.value = undefined; }} />}
    </>
  );
}

function nameOf(row: Row): string {
  return row.head === undefined ? show(row.value).text.slice(0, 40) : String(row.head);
}

function Entry({row, kind, children}: {row: Row; kind: Kind; children: ComponentChildren}) {
  return (
    <tr>
      {kind !== 'set' && <th scope="row" class="head">{row.head}</th>}
      <td class="value"><Glance bytes={row.value} /></td>
      {kind === 'sortedSet' && <td class="size">{row.score}</td>}
      <td class="size">{f.value.size(row.value.length)}</td>
      <td class="actions">{children}</td>
    </tr>
  );
}

function Pager({opened}: {opened: Opened}) {
  const content = opened.content.value;
  if (!content || content.length <= perPage) return null;
  const page = opened.page.value;
  const last = lastPage(perPage, content.length);
  const button = (key: Key, to: number, off: boolean) => <Button small disabled={off} onClick={() => void opened.turn(to)}>{t(key)}</Button>;
  return (
    <nav class="row pager" aria-label={t('data.pages')}>
      {button('data.first', 0, page === 0)}
      {button('data.previous', page - 1, page === 0)}
      <span role="status">
        {t('data.range', {
          from: f.value.count(content.start + 1), to: f.value.count(content.start + content.rows.length), count: f.value.count(content.length),
        })}
      </span>
      {button('data.next', page + 1, page >= last)}
      {button('data.last', last, page >= last)}
    </nav>
  );
}

function EditEntry({opened, kind, row, onClose}: {opened: Opened; kind: Kind; row: Row; onClose: () => void}) {
  const ranked = kind === 'sortedSet';
  // Of an element of a sorted set the score is what can change.
  const value = useSignal(ranked ? inputOf(bytesOf(String(row.score))) : inputOf(row.value));
  const wrong = useSignal('');
  const task = useTask();
  const name = nameOf(row);
  const tooMany = kind === 'list' && (opened.content.value?.length ?? 0) > editable;
  const submit = async (event: Event) => {
    event.preventDefault();
    const bytes = bytesOfInput(value.value);
    const score = Number(value.value.text);
    if (!bytes) return;
    if (ranked && (value.value.text.trim() === '' || !Number.isFinite(score))) {
      wrong.value = t('wrong.number');
      return;
    }
    const keep = {seconds: 1, refresh: false};
    const ok = await task.run(async () => {
      let done = true;
      if (kind === 'list') done = await opened.place.replaceEntry(row.head as number, row.value, bytes);
      if (kind === 'dictionary') await opened.place.setField(row.head as string, bytes, keep);
      if (ranked) await opened.place.putRanked(row.value, score, keep);
      await opened.read();
      toast(t(done ? 'data.saved' : 'data.entry.changed'));
    });
    if (ok) onClose();
  };
  return (
    <Dialog title={t('data.entry.edit', {name})} onClose={onClose}>
      <form onSubmit={event => void submit(event)}>
        {kind === 'list' && <p class="hint">{tooMany ? t('data.entry.tooMany', {max: f.value.count(editable)}) : t('data.entry.replace.text')}</p>}
        {!tooMany && !ranked && <ValueField label={t('data.value')} value={value} rows={5} />}
        {ranked && (
          <Field label={t('data.score')} error={wrong.value || undefined}>
            {(id, described) => (
              <input id={id} inputMode="decimal" aria-describedby={described} value={value.value.text} onInput={e => {
                value.value = {text: e.currentTarget.value, binary: false};
              }} />
            )}
          </Field>
        )}
        <Wrong refusal={task.refusal.value} />
        <div class="row end">
          <Button onClick={onClose}>{t('do.cancel')}</Button>
          {!tooMany && <Button type="submit" look="main" busy={task.busy.value}>{t('do.save')}</Button>}
        </div>
      </form>
    </Dialog>
  );
}
