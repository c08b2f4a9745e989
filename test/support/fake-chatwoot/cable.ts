// The fake's `/cable`: ActionCable's frames as they were recorded (contract 8), and the ways in which a cable fails.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { Delivery } from './delivery.ts';
import type { Directory } from './directory.ts';
import { railsJson } from './rails-json.ts';

/** One WebSocket and what it subscribed to. */
interface Connection {
  readonly socket: WebSocket;
  readonly subscriptions: Subscription[];
}

interface Subscription {
  readonly identifier: string;
  readonly accountId: number;
  readonly userId: number;
  readonly streams: readonly string[];
}

/** An upgrade as it was asked for. */
export interface LoggedUpgrade {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

/**
 * What becomes of an upgrade: `refuse` answers 404, `eat` 200 with a page as a proxy does that knows no upgrades, `swallow` nothing,
 * `trickle` headers without an end, `mute` an upgrade after which nothing is said.
 */
export type UpgradeFate = 'accept' | 'refuse' | 'eat' | 'swallow' | 'trickle' | 'mute';

type Until = () => boolean;

export class FakeCable {
  readonly delivery = new Delivery();
  readonly upgrades: LoggedUpgrade[] = [];
  /** Commands that were received, as sent. */
  readonly commands: string[] = [];
  upgrade: UpgradeFate = 'accept';
  /** Subscriptions are met with silence, as wrong ones are. */
  isSilent = false;
  /** Subscriptions to this account are rejected. */
  rejects: number | undefined;
  /** Redis is gone: connections live and ping, and nothing else comes. */
  isDeaf = false;
  pings = true;
  readonly #directory: Directory;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: 64 * 1024,
    handleProtocols: (offered) => (offered.has('actioncable-v1-json') ? 'actioncable-v1-json' : false),
  });
  readonly #connections = new Set<Connection>();
  readonly #swallowed = new Set<Duplex>();
  readonly #waiting = new Set<{ readonly until: Until; readonly resolve: () => void }>();
  #pinging: NodeJS.Timeout;

  constructor(directory: Directory) {
    this.#directory = directory;
    this.#pinging = setInterval(() => this.#ping(), 3000).unref();
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Pings this often from now on. Default 3 s, as ActionCable does. */
  pingEvery(ms: number): void {
    clearInterval(this.#pinging);
    this.#pinging = setInterval(() => this.#ping(), ms).unref();
  }

  /** Subscriptions to an account. */
  subscriptions(accountId: number): number {
    return [...this.#connections].flatMap(({ subscriptions }) => subscriptions).filter((one) => one.accountId === accountId)
      .length;
  }

  /** Resolves once something of the cable is so. It is looked at whenever a connection or a command comes or goes. */
  async until(condition: Until): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      this.#waiting.add({ until: condition, resolve });
    });
  }

  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { url = '', headers } = request;
    this.upgrades.push({ path: url, headers });
    if (this.upgrade === 'swallow' || this.upgrade === 'trickle') {
      this.#swallowed.add(socket);
      if (this.upgrade === 'trickle') socket.write('HTTP/1.1 101 Switching Protocols\r\nX-Slow: ');
      const trickling = this.upgrade === 'trickle' ? setInterval(() => socket.write('x'), 20) : undefined;
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clearInterval(trickling);
        this.#swallowed.delete(socket);
      });
    } else if ((this.upgrade !== 'accept' && this.upgrade !== 'mute') || !/^(?:\/[\w-]+)?\/cable$/.test(url)) {
      const [status, body] = this.upgrade === 'eat' ? ['200 OK', '<html>Chatwoot</html>'] : ['404 Not Found', 'Page not found'];
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    } else {
      this.#server.handleUpgrade(request, socket, head, (webSocket) => this.#welcome(webSocket));
    }
    this.#look();
  }

  /** Sends an event to those who listen to any of these streams, once for each of their subscriptions. */
  broadcast(streams: readonly string[], event: string, data: object): void {
    if (this.isDeaf) return;
    this.delivery.pass(event, () => {
      for (const { socket, subscriptions } of this.#connections) {
        for (const { identifier, streams: own } of subscriptions) {
          const times = own.filter((stream) => streams.includes(stream)).length;
          for (let time = 0; time < times; time++) socket.send(railsJson({ identifier, message: { event, data } }));
        }
      }
    });
  }

  /** Sends bytes to every connection, as they are. */
  sendRaw(frame: string | Buffer): void {
    for (const { socket } of this.#connections) socket.send(frame);
  }

  /** The identifier of the first subscription to an account. */
  identifierOf(accountId: number): string {
    const all = [...this.#connections].flatMap(({ subscriptions }) => subscriptions);
    return all.find((subscription) => subscription.accountId === accountId)?.identifier ?? '';
  }

  /** Ends every connection with ActionCable's farewell. */
  disconnect(reason: string, reconnect: boolean): void {
    for (const { socket } of this.#connections) {
      socket.send(railsJson({ type: 'disconnect', reason, reconnect }));
      socket.close();
    }
  }

  /** Cuts every connection without a word, or those that subscribed to an account. */
  cut(accountId?: number): void {
    for (const { socket, subscriptions } of this.#connections) {
      if (accountId === undefined || subscriptions.some((one) => one.accountId === accountId)) socket.terminate();
    }
    if (accountId === undefined) for (const socket of this.#swallowed) socket.destroy();
  }

  close(): void {
    clearInterval(this.#pinging);
    this.cut();
    this.#server.close();
  }

  #welcome(socket: WebSocket): void {
    const connection: Connection = { socket, subscriptions: [] };
    this.#connections.add(connection);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#connections.delete(connection);
      this.#look();
    });
    socket.on('message', (data: Buffer) => {
      const text = data.toString('utf8');
      this.commands.push(text);
      this.#command(connection, text);
      this.#look();
    });
    if (this.upgrade === 'accept') socket.send('{"type":"welcome"}');
  }

  #command(connection: Connection, text: string): void {
    const { command, identifier, data } = JSON.parse(text) as { command: string; identifier: string; data?: string };
    const existing = connection.subscriptions.find((one) => one.identifier === identifier);
    if (command === 'unsubscribe' && existing !== undefined) {
      connection.subscriptions.splice(connection.subscriptions.indexOf(existing), 1);
    } else if (command === 'message' && existing !== undefined) {
      if (data === '{"action":"update_presence"}') this.#presence(existing);
    } else if (command === 'subscribe' && existing === undefined) {
      const { account_id: account } = JSON.parse(identifier) as { account_id: number };
      if (account === this.rejects) return connection.socket.send(railsJson({ identifier, type: 'reject_subscription' }));
      const subscription = this.isSilent ? undefined : this.#subscribe(identifier);
      // Chatwoot swallows the exception that a wrong one raises, and ActionCable knows it as subscribed all the same.
      connection.subscriptions.push(subscription ?? { identifier, accountId: 0, userId: 0, streams: [] });
      if (subscription === undefined) return;
      connection.socket.send(railsJson({ identifier, type: 'confirm_subscription' }));
      this.#presence(subscription);
    }
  }

  #subscribe(identifier: string): Subscription | undefined {
    const asked = JSON.parse(identifier) as { channel: string; pubsub_token: string; account_id: number; user_id: number };
    const user = this.#directory.userOfPubsubToken(asked.pubsub_token);
    if (asked.channel !== 'RoomChannel' || user === undefined || user.id !== asked.user_id) return undefined;
    if (this.#directory.membership(user, asked.account_id) === undefined) return undefined;
    const streams = [asked.pubsub_token, `account_${asked.account_id}`];
    return { identifier, accountId: asked.account_id, userId: user.id, streams };
  }

  /** Goes to the stream of the token that was subscribed with: it still does after that has been rotated. */
  #presence({ accountId, userId, streams }: Subscription): void {
    const data = { account_id: accountId, users: { [userId]: 'online' }, contacts: {} };
    this.broadcast(streams.slice(0, 1), 'presence.update', data);
  }

  #ping(): void {
    if (this.pings) this.sendRaw(railsJson({ type: 'ping', message: Math.floor(Date.now() / 1000) }));
  }

  #look(): void {
    for (const waiter of this.#waiting) {
      if (!waiter.until()) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
  }
}
