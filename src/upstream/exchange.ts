// One request to Chatwoot and its whole answer, within one deadline and one size.

import type { Dispatcher } from 'undici';
import { BackscrollError } from '../errors.ts';
import { Carriage } from './connections.ts';
import { startDeadline } from './deadline.ts';
import { ConnectionSilent, mapBrokenExchange, type Phase } from './map-broken-exchange.ts';
import { Receiver, type WholeAnswer } from './receiver.ts';
import { ACCEPTED_CODING } from './whole-body.ts';

/** What is sent, beside the coding that is taken. There is no place in it for anything of a caller's request. */
export interface ExchangeRequest {
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Whether the caller's signal is that of a deadline which comes no later. */
  readonly hasDeadline?: boolean;
  readonly bodyMaxBytes: number;
  /** How long a connection that answered before may say nothing, ms; null for as long as there is time. */
  readonly silenceMs?: number | null;
  /** The answer began so long after a connection took the request, ms. */
  readonly onHead?: (afterMs: number) => void;
}

/** A whole answer, and a way to end what it came over. */
export interface ExchangeAnswer extends WholeAnswer {
  /** Ends the connection that it came over, and with it whatever was sent over that since: it is not to be trusted. */
  readonly closeConnection: () => void;
}

/** Errors of Chatwoot are a line of JSON; error pages of what stands before it are not read to the end. */
const ERROR_BODY_MAX_BYTES = 64 * 1024;

/**
 * Sends a GET and receives its answer. Redirects are not followed.
 * @throws BackscrollError `upstream_unreachable`, `upstream_timeout`, `upstream_invalid` or `draining`, ConnectionSilent among them; the caller's abort reason as it is.
 */
export async function exchange(connections: Dispatcher, request: ExchangeRequest, caller?: AbortSignal): Promise<ExchangeAnswer> {
  caller?.throwIfAborted();
  if (request.hasDeadline === true && caller !== undefined) return receive(connections, request, caller);
  const deadline = startDeadline(request.timeoutMs, caller);
  try {
    return await receive(connections, request, deadline.signal);
  } finally {
    deadline.clear();
  }
}

async function receive(connections: Dispatcher, request: ExchangeRequest, signal: AbortSignal): Promise<ExchangeAnswer> {
  const { target, silenceMs = null, onHead } = request;
  let phase: Phase = 'head';
  let timer: NodeJS.Timeout | undefined;
  let takenAt = performance.now();
  let gaveUp = false;
  const giveUpIfSilent = (): void => {
    if (signal.aborted || !carriage.isSilent) return;
    gaveUp = true;
    carriage.closeWithIdle();
  };
  const carriage = new Carriage(() => {
    takenAt = performance.now();
    // What arrived while the process was busy is read before it is looked at.
    if (silenceMs !== null) timer = setTimeout(() => setImmediate(giveUpIfSilent), silenceMs);
  });
  const receiver = new Receiver({
    maxBytesOf: (status) => (status === 200 ? request.bodyMaxBytes : ERROR_BODY_MAX_BYTES),
    signal,
    onHead() {
      phase = 'body';
      carriage.answered();
      onHead?.(performance.now() - takenAt);
    },
  });
  try {
    const headers = { ...request.headers, 'Accept-Encoding': ACCEPTED_CODING };
    const sent: Dispatcher.DispatchOptions & { readonly opaque: Carriage } = {
      method: 'GET',
      path: target,
      headers,
      opaque: carriage,
    };
    connections.dispatch(sent, receiver);
    return { ...(await receiver.received), closeConnection: () => carriage.close() };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (gaveUp) throw new ConnectionSilent();
    if (error instanceof BackscrollError) throw error;
    throw mapBrokenExchange(error, phase) ?? error;
  } finally {
    clearTimeout(timer);
    receiver.over();
  }
}
