// Whether the feed of one account may be trusted, and since when. Pure: time is an argument.
//
// Silence looks like quiet, so trust rests on conditions each of which must hold all the time: subscribed and confirmed, pings,
// frames that came through Redis, no lag, nothing missed. Fed since is when the last of them began to hold.

export interface TrustBounds {
  /** Pings are no older than this: two of ActionCable's intervals. */
  readonly pingAgeMaxMs: number;
  /** A frame came through Redis within this: pings alone prove nothing about events. */
  readonly frameAgeMaxMs: number;
  /** FEED_LAG_MAX. */
  readonly lagMaxMs: number;
  /** Events were in time for this long before they are trusted after one that was not. */
  readonly lagCalmMs: number;
  /** How long one that was missed ends trust; twice as long each time again, up to the maximum, as long as they follow within that. */
  readonly distrustMs: number;
  readonly distrustMaxMs: number;
}

/** Why there is no subscription. */
export type Ended =
  /** There was none yet. */
  | 'starting'
  /** The profile that names the stream could not be read, or does not list the account any more. */
  | 'no-profile'
  /** The user is no administrator, so that not every conversation is heard of. */
  | 'not-administrator'
  /** Chatwoot has no `/cable`, or something before it does not let it through. */
  | 'no-cable'
  /** It could not be connected to. */
  | 'unreachable'
  /** It was subscribed to and nothing confirmed that. */
  | 'unconfirmed'
  /** The connection was closed, or cut. */
  | 'closed'
  /** The connection said nothing any more. */
  | 'silent'
  /** Something was sent that no Chatwoot sends, or that is too large. */
  | 'broken'
  /** The user's password was changed, or its accounts: the stream is another one now. */
  | 'profile-changed';

/** Why the feed of an account is not trusted. */
export type Distrust =
  | Ended
  /** Pings are overdue. */
  | 'no-pings'
  /** Nothing has come through Redis for too long. */
  | 'no-frames'
  /** Events come too late. */
  | 'late'
  /** A message was read of which no event had come. */
  | 'missed';

export type TrustEvent =
  | { readonly kind: 'confirmed' }
  | { readonly kind: 'ended'; readonly why: Ended }
  /** The connection lives: a ping, or anything before which it waits. */
  | { readonly kind: 'ping' }
  /** Anything that came through Redis. */
  | { readonly kind: 'frame' }
  /** An event that tells its own time. */
  | { readonly kind: 'lag'; readonly lagMs: number }
  | { readonly kind: 'missed' };

/** Signs of life that followed upon each other closely enough. */
interface Run {
  readonly since: number;
  readonly lastAt: number;
}

export interface Trust {
  /** Null where there is no confirmed subscription. */
  readonly confirmedAt: number | null;
  readonly ended: Ended;
  readonly pings: Run | null;
  readonly frames: Run | null;
  /** Null while nothing was ever late. `calmSince`: of events in time after the last late one. */
  readonly lag: { readonly calmSince: number | null } | null;
  readonly missed: { readonly until: number; readonly forMs: number } | null;
}

export const UNTRUSTED: Trust = { confirmedAt: null, ended: 'starting', pings: null, frames: null, lag: null, missed: null };

/** What is thought after something happened. */
export function afterEvent(trust: Trust, event: TrustEvent, at: number, bounds: TrustBounds): Trust {
  switch (event.kind) {
    case 'confirmed':
      return { ...trust, confirmedAt: at, pings: { since: at, lastAt: at }, frames: null };
    case 'ended':
      return { ...trust, confirmedAt: null, ended: event.why, pings: null, frames: null };
    case 'ping':
      return { ...trust, pings: continued(trust.pings, at, bounds.pingAgeMaxMs) };
    case 'frame':
      return { ...trust, frames: continued(trust.frames, at, bounds.frameAgeMaxMs) };
    case 'lag':
      if (event.lagMs > bounds.lagMaxMs) return { ...trust, lag: { calmSince: null } };
      return trust.lag === null || trust.lag.calmSince !== null ? trust : { ...trust, lag: { calmSince: at } };
    case 'missed':
      return { ...trust, missed: distrusted(trust.missed, at, bounds) };
  }
}

/** Since when it is fed, at a moment not before the last event; or why it is not. */
export function judge(trust: Trust, now: number, bounds: TrustBounds): { readonly since: number } | { readonly why: Distrust } {
  const { confirmedAt, ended, pings, frames, lag, missed } = trust;
  if (confirmedAt === null) return { why: ended };
  if (pings === null || now - pings.lastAt > bounds.pingAgeMaxMs) return { why: 'no-pings' };
  if (frames === null || now - frames.lastAt > bounds.frameAgeMaxMs) return { why: 'no-frames' };
  const calmAt = lag === null ? -Infinity : lag.calmSince === null ? Infinity : lag.calmSince + bounds.lagCalmMs;
  if (now < calmAt) return { why: 'late' };
  const forgivenAt = missed?.until ?? -Infinity;
  if (now < forgivenAt) return { why: 'missed' };
  // Pings and frames are of this subscription: both begin with it.
  return { since: Math.max(pings.since, frames.since, calmAt, forgivenAt) };
}

function continued(run: Run | null, at: number, gapMaxMs: number): Run {
  return run === null || at - run.lastAt > gapMaxMs ? { since: at, lastAt: at } : { since: run.since, lastAt: at };
}

function distrusted(missed: Trust['missed'], at: number, { distrustMs, distrustMaxMs }: TrustBounds): Trust['missed'] {
  // Of what was missed while there is no trust anyway nothing new follows.
  if (missed !== null && at < missed.until) return missed;
  const again = missed !== null && at - missed.until <= distrustMaxMs;
  const forMs = again ? Math.min(missed.forMs * 2, distrustMaxMs) : distrustMs;
  return { until: at + forMs, forMs };
}
