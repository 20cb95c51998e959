import {useSignal} from '@preact/signals';
import {useEffect, useId, useRef} from 'preact/hooks';
import type {ComponentChildren} from 'preact';
import {t} from '../state/settings';
import {Button, Field, Wrong} from './basic';
import {useTask} from './task';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

/** A modal dialog; Escape closes it, and the browser keeps the focus inside. */
export function Dialog({title, onClose, children}: DialogProps) {
  const id = useId();
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    ref.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog ref={ref} aria-labelledby={id} onClose={onClose} onClick={event => {
      if (event.target === ref.current) ref.current?.close();
    }}>
      <div class="dialog">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  text: string;
  action: string;
  /** A word that has to be typed first. */
  word?: { label: string; is: string };
  work: () => Promise<void>;
  onClose: () => void;
}

/** Asks before something is done that cannot be undone. */
export function Confirm({title, text, action, word, work, onClose}: ConfirmProps) {
  const typed = useSignal('');
  const task = useTask();
  const ready = !word || typed.value === word.is;
  const submit = async (event: Event) => {
    event.preventDefault();
    if (ready && await task.run(work)) onClose();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={event => void submit(event)}>
        <p>{text}</p>
        {word && (
          <Field label={word.label}>
            {id => <input id={id} value={typed.value} autocomplete="off" spellcheck={false} onInput={e => { typed.value = e.currentTarget.value; }} />}
          </Field>
        )}
        <Wrong refusal={task.refusal.value} />
        <div class="row end">
          <Button onClick={onClose} autofocus={!word}>{t('do.cancel')}</Button>
          <Button type="submit" look="danger" disabled={!ready} busy={task.busy.value}>{action}</Button>
        </div>
      </form>
    </Dialog>
  );
}
