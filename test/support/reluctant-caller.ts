// A caller that asks and takes nothing, or takes slowly.

import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { KEY } from './backscroll.ts';

export interface ReluctantCaller {
  readonly socket: Socket;
  /** Asks for all of these at once, without waiting for an answer in between. */
  ask(...targets: readonly string[]): void;
}

/** Opens a connection that keeps its own end open whatever the server does, and reads nothing, its end neither, until it is resumed. */
export function reluctantCaller(port: number, key = KEY): ReluctantCaller {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).pause();
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  const head = `host: x\r\napi_access_token: ${key}\r\n\r\n`;
  return {
    socket,
    ask: (...targets) => void socket.write(targets.map((target) => `GET ${target} HTTP/1.1\r\n${head}`).join('')),
  };
}
