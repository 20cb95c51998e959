// What the broker or the way to it said instead of an answer.

/** Sorts of refusal that a person can do something about. */
export type Reason =
  | 'unreachable' | 'timeout' | 'unavailable' | 'credential' | 'permission'
  | 'notFound' | 'exists' | 'limit' | 'type' | 'tooLarge' | 'other';

export class Refusal extends Error {
  constructor(
    readonly reason: Reason,
    message: string,
  ) {
    super(message);
    this.name = 'Refusal';
  }
}

/** The reasons behind the error codes of the SDK. */
const reasons: Record<string, Reason> = {
  AUTHENTICATION_ERROR: 'credential',
  PERMISSION_ERROR: 'permission',
  NOT_FOUND_ERROR: 'notFound',
  ALREADY_EXISTS_ERROR: 'exists',
  LIMIT_EXCEEDED_ERROR: 'limit',
  CLIENT_RESOURCE_EXHAUSTED: 'limit',
  TIMEOUT_ERROR: 'timeout',
  SERVER_UNAVAILABLE: 'unavailable',
  FAILED_PRECONDITION_ERROR: 'type',
  CONNECTION_ERROR: 'unreachable',
};

interface SdkError {
  errorCode(): string;
  message(): string;
}

/** The refusal in an error response of the SDK. */
export function refusalOf(error: SdkError): Refusal {
  const message = plain(error.message());
  // What an XMLHttpRequest says when nobody answers.
  if (/http status code: 0$/.test(message)) return new Refusal('unreachable', message);
  return new Refusal(reasons[error.errorCode()] ?? 'other', message);
}

/** The SDK puts a sentence of its own before what the server said. */
function plain(message: string): string {
  return message.replace(/^.*?: (?=[A-Z])/s, '').trim() || message;
}

type Kind<R extends {type: string}> = `${R['type']}`;
type OfKind<R extends {type: string}, K> = R extends unknown ? (`${R['type']}` extends K ? R : never) : never;

/** The response of the SDK if it is of one of these kinds; throws a Refusal otherwise. */
export function answered<R extends {type: string}, K extends Kind<R>>(response: R, ...kinds: K[]): OfKind<R, K> {
  if ((kinds as string[]).includes(response.type)) return response as OfKind<R, K>;
  if ('errorCode' in response) throw refusalOf(response as unknown as SdkError);
  throw new Refusal('other', `unexpected answer ${response.type}`);
}

/** Anything that was thrown, as a refusal. */
export function asRefusal(thrown: unknown): Refusal {
  if (thrown instanceof Refusal) return thrown;
  return new Refusal('other', thrown instanceof Error ? thrown.message : String(thrown));
}
