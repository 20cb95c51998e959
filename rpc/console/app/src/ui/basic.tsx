// The small parts that pages are made of.
import {useSignal} from '@preact/signals';
import type {ComponentChildren, JSX} from 'preact';
import {useId} from 'preact/hooks';
import type {Refusal} from '../broker/refusal';
import {t} from '../state/settings';
import {explain} from './explain';

type ButtonProps = Omit<JSX.IntrinsicElements['button'], 'class'> & {
  look?: 'plain' | 'main' | 'quiet' | 'danger';
  small?: boolean;
  busy?: boolean;
};

export function Button({look = 'plain', small, busy, disabled, children, type = 'button', ...rest}: ButtonProps) {
  return (
    <button {...rest} type={type} class={`button ${look}${small ? ' small' : ''}`} disabled={disabled || busy} aria-busy={busy}>
      {children}
    </button>
  );
}

interface FieldProps {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  class?: string;
  /** What is labelled gets this id and, with a hint or error, the id of the text that describes it. */
  children: (id: string, describedBy: string | undefined) => ComponentChildren;
}

export function Field({label, hint, error, class: more = '', children}: FieldProps) {
  const id = useId();
  const text = error || hint;
  return (
    <div class={`field ${more}`}>
      <label for={id}>{label}</label>
      {children(id, text ? `${id}-hint` : undefined)}
      {text && <p id={`${id}-hint`} class={error ? 'hint wrong' : 'hint'} role={error ? 'alert' : undefined}>{text}</p>}
    </div>
  );
}

/** What went wrong, if anything did, and a way to try again where there is one. */
export function Wrong({refusal, retry}: {refusal: Refusal | undefined; retry?: () => void}) {
  if (!refusal) return null;
  return (
    <div class="notice wrong" role="alert">
      <p>{explain(refusal)}</p>
      {retry && <Button small onClick={retry}>{t('do.retry')}</Button>}
    </div>
  );
}

export function Empty({children}: {children: ComponentChildren}) {
  return <div class="empty">{children}</div>;
}

export function Loading() {
  return <div class="empty loading" role="status">{t('app.loading')}</div>;
}

export function Heading({title, lead, children}: {title: string; lead: string; children?: ComponentChildren}) {
  return (
    <header class="heading">
      <div>
        <h1>{title}</h1>
        <p>{lead}</p>
      </div>
      {children}
    </header>
  );
}

/** Copies a text and says so. */
export function Copy({text, label}: {text: string; label?: string}) {
  const done = useSignal(false);
  const copy = async () => {
    await write(text);
    done.value = true;
    window.setTimeout(() => {
      done.value = false;
    }, 2000);
  };
  return (
    <Button small onClick={() => void copy()} aria-label={label ? `${t('do.copy')}: ${label}` : undefined}>
      <span aria-live="polite">{done.value ? t('do.copied') : t('do.copy')}</span>
    </Button>
  );
}

/** Over plain HTTP from elsewhere a browser has no clipboard for pages but the old one. */
async function write(text: string): Promise<void> {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'away';
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

/** One line of code with a button to copy it. */
export function Code({text, label}: {text: string; label: string}) {
  return (
    <div class="code">
      <code>{text}</code>
      <Copy text={text} label={label} />
    </div>
  );
}
