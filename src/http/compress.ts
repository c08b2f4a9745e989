// Compression of one page, in Node's threads. As strong as costs little: on pages of messages, more makes them hardly smaller.

import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Coding } from './codings.ts';

const GZIP_LEVEL = 6;
const BROTLI_QUALITY = 5;

const gzipped = promisify(gzip);
const brotlied = promisify(brotliCompress);

export async function compress(body: Buffer, coding: Coding): Promise<Buffer> {
  const made = await (coding === 'gzip' ? gzipped(body, { level: GZIP_LEVEL }) : brotlied(body, { params: brotliParams(body) }));
  // What zlib hands out is a part of something larger, which it would hold.
  const exact = Buffer.allocUnsafeSlow(made.length);
  made.copy(exact);
  return exact;
}

function brotliParams(body: Buffer): Record<number, number> {
  return {
    [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
    [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
  };
}
