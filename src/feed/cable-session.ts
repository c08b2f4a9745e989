// One connection to the cable, from its beginning to its end: what it says, and how it shows that it lives.

import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as secure } from 'node:tls';
import { WebSocket } from 'ws';
import {
  type Frame,
  identifierOf,
  presenceCommand,
  readFrame,
  SUBPROTOCOL,
  subscribeCommand,
  unsubscribeCommand,
} from './action-cable.ts';
import { CLOSED_HERE, type EndedBecause, NO_UPGRADE, NO_WELCOME, sentenceOf, whyRefused } from './cable-endings.ts';
import type { CableBounds, CableOptions, Profile } from './cable.ts';

interface Subscribed {
  readonly accountId: number;
  readonly isAdministrator: boolean;
  askedAt: number;
  isConfirmed: boolean;
  /** Something came through Redis, or was asked for that will. */
  heardAt: number;
}

/** A connection and its subscriptions. */
export class CableSession {
  /** Resolves when it is over. */
  readonly ended: Promise<EndedBecause>;
  readonly #options: CableOptions;
  readonly #bounds: CableBounds;
  readonly #profile: Profile;
  readonly #accounts: Profile['accounts'];
  readonly #signal: AbortSignal;
  readonly #socket: WebSocket;
  /** By identifier. */
  readonly #subscriptions = new Map<string, Subscribed>();
  readonly #openedAt = performance.now();
  readonly #ticking: NodeJS.Timeout;
  #welcomedAt: number | null = null;
  #heardAt = performance.now();
  #profileReadAt = performance.now();
  #profileDueAt = Infinity;
  #settle: (because: EndedBecause) => void = () => undefined;

  constructor(
    options: CableOptions,
    bounds: CableBounds,
    profile: Profile,
    accounts: Profile['accounts'],
    { signal, through }: { readonly signal: AbortSignal; readonly through: Duplex | undefined },
  ) {
    this.#options = options;
    this.#bounds = bounds;
    this.#profile = profile;
    this.#accounts = accounts;
    this.#signal = signal;
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#socket = this.#open(through);
    this.#profileDueAt = performance.now() + bounds.profileEveryMs;
    this.#ticking = setInterval(() => this.#tick(), bounds.tickMs).unref();
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Whether any of its subscriptions was. */
  wasConfirmed = false;

  /** Ends it, if it has not ended by itself. */
  end(because: EndedBecause): void {
    clearInterval(this.#ticking);
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#socket.terminate();
    this.#settle(because);
  }

  readonly #onAbort = (): void => this.end(CLOSED_HERE);

  #open(through: Duplex | undefined): WebSocket {
    const { url, version } = this.#options;
    const { frameBytesMax, answerTimeoutMs } = this.#bounds;
    const socket = new WebSocket(url, SUBPROTOCOL, {
      maxPayload: frameBytesMax,
      handshakeTimeout: answerTimeoutMs,
      followRedirects: false,
      perMessageDeflate: false,
      // One frame a turn of the event loop: however many come at once, others have their turns between, and the socket waits.
      allowSynchronousEvents: false,
      headers: { 'User-Agent': `backscroll/${version}` },
      ...(through === undefined
        ? {}
        : { createConnection: () => (url.protocol === 'wss:' ? secured(through, url.hostname) : through) }),
    });
    socket.on('unexpected-response', (request, response) => {
      request.destroy();
      this.end(whyRefused(response.statusCode ?? 0));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const isOpen = socket.readyState !== WebSocket.CONNECTING && this.#welcomedAt !== null;
      this.end({ why: isOpen ? 'broken' : 'unreachable', text: sentenceOf(error), retry: 'soon' });
    });
    socket.on('close', (code) => this.end({ why: 'closed', text: `Chatwoot closed it (${code})`, retry: 'soon' }));
    socket.on('message', (data, isBinary) => this.#hear(isBinary || !Buffer.isBuffer(data) ? '' : data.toString('utf8')));
    return socket;
  }

  #hear(text: string): void {
    const { listener } = this.#options;
    const now = performance.now();
    const frame = readFrame(text);
    switch (frame.kind) {
      case 'garbage':
        return listener.garbage();
      case 'ping':
        this.#heardAt = now;
        return listener.pinged();
      case 'welcome':
        this.#heardAt = now;
        this.#welcomedAt ??= now;
        return this.#subscribe();
      case 'farewell':
        return this.end({ why: 'closed', text: 'Chatwoot ended it', retry: frame.reconnect ? 'soon' : 'late' });
      case 'confirmed':
      case 'rejected':
      case 'event': {
        const subscription = this.#subscriptions.get(frame.identifier);
        if (subscription === undefined) return listener.garbage();
        this.#heardAt = now;
        return this.#hearOf(subscription, frame, now);
      }
    }
  }

  #hearOf(subscription: Subscribed, frame: Extract<Frame, { readonly identifier: string }>, now: number): void {
    const { listener } = this.#options;
    const { accountId, isAdministrator } = subscription;
    switch (frame.kind) {
      case 'confirmed':
        if (subscription.isConfirmed) return;
        subscription.isConfirmed = true;
        this.wasConfirmed = true;
        subscription.heardAt = now;
        return listener.confirmed(accountId, isAdministrator);
      case 'rejected':
        subscription.isConfirmed = false;
        return listener.ended(accountId, { why: 'unconfirmed', text: 'Chatwoot rejected the subscription', retry: 'late' });
      case 'event':
        // What comes before the confirmation cannot be told from what the connection before it missed.
        if (!subscription.isConfirmed) return;
        subscription.heardAt = now;
        // Pings wait behind it.
        listener.pinged();
        return listener.event(accountId, frame.name, frame.data);
    }
  }

  #subscribe(): void {
    const { userId, pubsubToken } = this.#profile;
    const now = performance.now();
    for (const { id: accountId, isAdministrator } of this.#accounts) {
      const identifier = identifierOf({ accountId, userId, pubsubToken });
      const before = this.#subscriptions.get(identifier);
      if (before?.isConfirmed === true) continue;
      if (before !== undefined) this.#socket.send(unsubscribeCommand(identifier));
      this.#subscriptions.set(identifier, { accountId, isAdministrator, askedAt: now, isConfirmed: false, heardAt: now });
      this.#socket.send(subscribeCommand(identifier));
    }
  }

  #tick(): void {
    const { silenceMaxMs, answerTimeoutMs, presenceAfterMs } = this.#bounds;
    const now = performance.now();
    if (this.#welcomedAt === null) {
      if (now - this.#openedAt > answerTimeoutMs * 2)
        this.end(this.#socket.readyState === WebSocket.OPEN ? NO_WELCOME : NO_UPGRADE);
      return;
    }
    // What arrived while the process was busy is read before it is looked at.
    if (now - this.#heardAt > silenceMaxMs) setImmediate(() => this.#endIfSilent());
    for (const [identifier, subscription] of this.#subscriptions) {
      if (!subscription.isConfirmed) {
        if (now - subscription.askedAt <= answerTimeoutMs) continue;
        subscription.askedAt = Infinity;
        const text = 'Chatwoot does not confirm the subscription: it knows no such user, token or account';
        this.#options.listener.ended(subscription.accountId, { why: 'unconfirmed', text, retry: 'late' });
      } else if (now - subscription.heardAt > presenceAfterMs) {
        subscription.heardAt = now;
        this.#socket.send(presenceCommand(identifier));
      }
    }
    if (now > this.#profileDueAt) void this.#reread();
  }

  #endIfSilent(): void {
    if (performance.now() - this.#heardAt <= this.#bounds.silenceMaxMs) return;
    this.end({ why: 'silent', text: 'Chatwoot sends no pings any more', retry: 'soon' });
  }

  /** A changed password leaves a connection that lives and hears nothing. */
  async #reread(): Promise<void> {
    const { answerTimeoutMs, profileEveryMs } = this.#bounds;
    this.#profileDueAt = Infinity;
    try {
      const profile = await this.#options.profile(this.#signal);
      if (!isSame(profile, this.#profile)) {
        return this.end({ why: 'profile-changed', text: 'the password or the accounts of its user have changed', retry: 'soon' });
      }
      this.#profileReadAt = performance.now();
      this.#profileDueAt = this.#profileReadAt + profileEveryMs;
      // Those that were met with silence may be known by now.
      if (this.#socket.readyState === WebSocket.OPEN) this.#subscribe();
    } catch (error) {
      const now = performance.now();
      this.#profileDueAt = now + answerTimeoutMs;
      if (now - this.#profileReadAt > profileEveryMs * 2) this.end({ why: 'no-profile', text: sentenceOf(error), retry: 'soon' });
    }
  }
}

function secured(socket: Duplex, hostname: string): Duplex {
  const host = hostname.replaceAll(/[[\]]/g, '');
  return secure({ socket, host, servername: isIP(host) === 0 ? host : '' });
}

function isSame(one: Profile, other: Profile): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
