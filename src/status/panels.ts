// The panels of what every Backscroll has: whether it is able, Chatwoot and what protects it, memory, the edge.

import type { ProtectionStats } from '../upstream/protected-upstream.ts';
import { inMegabytes, type Panel, type PanelState } from './panel.ts';

export function readinessPanel(problem: string | null, history: 'proved' | 'exact' | 'fallen'): Panel {
  const proofs = { proved: 'proved', exact: 'exact, as set', fallen: 'exact: Chatwoot kept answering differently' };
  return {
    name: 'Readiness',
    state: problem !== null ? 'bad' : history === 'fallen' ? 'warn' : 'good',
    rows: [
      ['Ready', problem ?? 'yes: Chatwoot accepts the tokens'],
      ['History', proofs[history]],
    ],
  };
}

/** Of the line, from where on it tells that Chatwoot or its budget is too small. */
const LONG_LINE_SHARE = 1 / 2;

export function upstreamPanel(
  stats: ProtectionStats,
  rate: { readonly max: number; readonly windowMs: number },
  now: number,
): Panel {
  const { breaker, pausedUntil, running, waiting, waitingMax, budgetLeft } = stats;
  const isLong = waiting > waitingMax * LONG_LINE_SHARE;
  const state: PanelState =
    breaker === 'open' ? 'bad' : breaker === 'half-open' || pausedUntil !== null || isLong ? 'warn' : 'good';
  const breakers = {
    closed: 'closed: Chatwoot answers',
    open: 'open: Chatwoot keeps failing',
    'half-open': 'trying whether it answers',
  };
  return {
    name: 'Chatwoot',
    state,
    rows: [
      ['Breaker', breakers[breaker]],
      ['Pause after a 429', pausedUntil === null ? 'none' : `${Math.ceil((pausedUntil - now) / 1000)} s left`],
      ['Reads under way', String(running)],
      ['Line', `${waiting} of ${waitingMax} waiting`],
      ['Budget', `${budgetLeft} of ${rate.max} left in ${rate.windowMs / 1000} s`],
    ],
  };
}

export interface Memory {
  /** Of the cache. */
  readonly bytes: number;
  readonly bytesMax: number;
  readonly conversations: number;
  readonly rssBytes: number;
}

export function memoryPanel({ bytes, bytesMax, conversations, rssBytes }: Memory): Panel {
  const share = Math.round((100 * bytes) / bytesMax);
  return {
    name: 'Memory',
    state: 'good', // A full cache is what it is for.
    rows: [
      ['Cache', `${inMegabytes(bytes)} of ${inMegabytes(bytesMax)} (${share} %)`],
      ['Conversations', String(conversations)],
      ['Process', inMegabytes(rssBytes)],
    ],
  };
}

export interface EdgeNumbers {
  readonly connections: number;
  readonly unreadBytes: number;
  readonly logLinesDropped: number;
  readonly eventLoop: { readonly isLate: boolean };
}

export function edgePanel({ connections, unreadBytes, logLinesDropped, eventLoop }: EdgeNumbers): Panel {
  return {
    name: 'Callers',
    state: eventLoop.isLate || logLinesDropped > 0 ? 'warn' : 'good',
    rows: [
      ['Connections', String(connections)],
      ['Answers not taken', inMegabytes(unreadBytes)],
      ['Event loop', eventLoop.isLate ? 'late: requests are refused' : 'keeps up'],
      ['Log lines dropped', String(logLinesDropped)],
    ],
  };
}
