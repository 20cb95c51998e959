// Values are bytes; people read text. What is text is shown as it is, everything
// else in Base64.

const strict = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true});
const encoder = new TextEncoder();
const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** What the bytes mean in UTF-8, or undefined when they are not text for people. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = strict.decode(bytes);
    return control.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  }
  return btoa(binary);
}

/** The bytes of a Base64 text of either alphabet, or undefined when it is none. */
export function fromBase64(text: string): Uint8Array | undefined {
  const compact = text.replace(/\s+/g, '').replace(/-/g, '+').replace(/_/g, '/').replace(/=+$/, '');
  try {
    return Uint8Array.from(atob(compact), c => c.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** A value as one shows it. */
export interface Shown {
  text: string;
  binary: boolean;
}

export function show(bytes: Uint8Array): Shown {
  const text = textOf(bytes);
  return text === undefined ? {text: toBase64(bytes), binary: true} : {text, binary: false};
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
