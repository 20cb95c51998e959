// The two forms of a credential: raw, as it travels with a call, and wrapped in
// Base64 together with an endpoint, as the SDKs take it.
import {fromBase64, textOf, toBase64, bytesOf} from './text';

/** The raw credential in whatever a person pasted. */
export function unwrap(pasted: string): string {
  const text = pasted.trim();
  const bytes = fromBase64(text);
  const json = bytes && textOf(bytes);
  if (!json?.startsWith('{')) return text;
  try {
    const key = (JSON.parse(json) as {api_key?: unknown}).api_key;
    return typeof key === 'string' ? key : text;
  } catch {
    return text;
  }
}

/** The form that the SDKs take, for a node at host:port. */
export function wrap(raw: string, host: string): string {
  return toBase64(bytesOf(JSON.stringify({endpoint: host, api_key: raw})));
}

/** Whether it can be sent at all: a header carries visible ASCII only. */
export function isSendable(raw: string): boolean {
  return /^[\x21-\x7e]+$/.test(raw);
}
