// The differential run for long: npm run test:differential -- --minutes 10 --seed 7

import { parseArgs } from 'node:util';
import { runDifferential } from './differential.ts';
import type { WriteKind } from './writer.ts';
import { WRITE_KINDS } from './writer.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    /** Questions a second. */
    rate: { type: 'string', default: '300' },
    /** Kinds of writes that do not occur, to find out what goes wrong: `restored,stray`. */
    without: { type: 'string', default: '' },
    /** Nothing is wrong with Chatwoot. */
    healthy: { type: 'boolean', default: false },
  },
});
const [minutes, rate] = [Number(values.minutes), Number(values.rate)];
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const without = values.without.split(',').filter((kind) => kind !== '') as WriteKind[];
const unknown = without.filter((kind) => !WRITE_KINDS.includes(kind));
if (!(minutes > 0) || !(rate > 0) || !Number.isSafeInteger(seed)) throw new Error('--minutes, --rate and --seed must be numbers');
if (unknown.length > 0) throw new Error(`--without knows ${WRITE_KINDS.join(', ')}`);

process.stdout.write(`differential run: ${minutes} minutes, seed ${seed}, ${rate} questions a second\n`);
const tally = await runDifferential({
  seed,
  rate,
  forMs: minutes * 60_000,
  without: new Set(without),
  troubled: !values.healthy,
});
process.stdout.write(`${tally.summary()}\nseed ${seed}\n`);
process.exitCode = tally.isRight ? 0 : 1;
