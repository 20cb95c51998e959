import {largest} from '../broker/data';
import type {Refusal} from '../broker/refusal';
import {f, t} from '../state/settings';

/** A refusal as a sentence that says what to do next. */
export function explain(refusal: Refusal): string {
  const {message} = refusal;
  switch (refusal.reason) {
    case 'unreachable': return t('wrong.unreachable');
    case 'timeout': return t('wrong.timeout');
    case 'unavailable': return t('wrong.unavailable');
    case 'credential': return t('wrong.credential');
    case 'permission': return t('wrong.permission', {message});
    case 'notFound': return t('wrong.noCache');
    case 'limit': return t('wrong.limit', {message});
    case 'type': return t('wrong.type');
    case 'tooLarge': return t('wrong.tooLarge', {max: f.value.size(largest), size: f.value.size(Number(message))});
    default: return t('wrong.other', {message});
  }
}
