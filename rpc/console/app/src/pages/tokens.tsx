import {useSignal} from '@preact/signals';
import {caches, cachesRefusal} from '../state/cache';
import {t} from '../state/settings';
import {Heading, Loading} from '../ui/basic';
import {Inspect} from './inspect';
import {Mint} from './mint';

export function TokensPage() {
  /** A new token that shall be inspected. */
  const handed = useSignal('');
  return (
    <>
      <Heading title={t('tokens.title')} lead={t('tokens.lead')} />
      {!caches.value && !cachesRefusal.value ? <Loading /> : (
        <div class="columns even">
          <Mint onInspect={raw => { handed.value = raw; }} />
          <Inspect handed={handed} />
        </div>
      )}
    </>
  );
}
