// The law in a long run: npm run test:law -- --runs 1000000 --seed 7

import { parseArgs } from 'node:util';
import { underBackDated } from './history.ts';
import { runLaw } from './law.ts';

const { values } = parseArgs({ options: { runs: { type: 'string', default: '100000' }, seed: { type: 'string' } } });
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
process.stdout.write(`runs ${values.runs}, seed ${seed}\n`);
const startedAt = performance.now();
const tally = runLaw({ runs: Number(values.runs), seed, excuse: underBackDated });
process.stdout.write(`kept: ${JSON.stringify(tally)} in ${Math.round((performance.now() - startedAt) / 1000)} s\n`);
