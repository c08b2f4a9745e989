// Nobody waits without end: a caller's wait has one deadline, whatever is read for it on the way.

import { BackscrollError } from '../errors.ts';

/**
 * Runs `work` with a signal that aborts after `ms` or when the caller goes.
 * @throws BackscrollError `upstream_timeout` past the deadline; the caller's own reason if it went.
 */
export async function withDeadline<T>(
  ms: number,
  caller: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const late = (): void => abort.abort(new BackscrollError('upstream_timeout', 'Chatwoot took too long to answer; try again'));
  const gone = (): void => abort.abort(caller?.reason);
  const timer = setTimeout(late, ms);
  caller?.addEventListener('abort', gone, { once: true });
  if (caller?.aborted === true) gone();
  try {
    return await work(abort.signal);
  } finally {
    clearTimeout(timer);
    caller?.removeEventListener('abort', gone);
  }
}

/** The promise's end or the signal's, whichever is first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(reasonOf(signal));
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(reasonOf(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted', { cause: signal.reason });
}
