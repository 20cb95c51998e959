// Whether a post is from the broker, and is not an old one that somebody kept.
import {createHmac, timingSafeEqual} from 'node:crypto';

/** How old a post may be, in ms: attempts that are repeated are signed anew. */
const OLDEST = 60_000;

/** Reports whether the signature of a body's bytes was made with the secret. */
export function signed(body, signature, secret) {
  const want = createHmac('sha3-256', secret).update(body).digest();
  const got = Buffer.from(String(signature), 'hex');
  return got.length === want.length && timingSafeEqual(got, want);
}

/** Reports whether the event of a sound post is one of now. */
export const recent = (event, now = Date.now()) => Math.abs(now - event.publish_timestamp) <= OLDEST;
