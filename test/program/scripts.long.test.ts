// Every script of package.json works in a fresh clone, where nothing is built yet.

import { describe, expect, onTestFinished, test, vi } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { Command } from './clone.ts';
import { cloned, SERVERS, testServer } from './scripts.ts';

vi.setConfig({ testTimeout: 120_000 });

/** Scripts that end by themselves, with arguments that keep them short. */
const ONE_SHOTS: Readonly<Record<string, string>> = {
  build: '',
  tarball: '--dry-run',
  types: '',
  lint: 'src/version.ts',
  format: '--check src/version.ts',
  test: 'test/timeline/query.test.ts',
  'test:long': '--passWithNoTests none',
  'test:faults': '--passWithNoTests --testNamePattern none',
  'test:law': '--runs 100',
  'test:differential': '--minutes 0.03 --rate 30 --seed 3',
  'bench:hits': '--rounds 1 --seconds 1 --warm-up 0 --connections 2 --only info',
  'bench:prove': '',
  'bench:walks': '',
  'bench:trace': '--hours 0.02',
  'bench:forwarded': '--reads 20 --delays 0,5',
  'bench:busy': '--seconds 1 --evictions 20',
  'bench:status': '--rounds 1 --seconds 1',
  'bench:memory': '--conversations 20 --memory 1mb',
  soak: '--minutes 0.03 --rate 20',
};

/** Scripts that only call others. */
const CHAINS = ['check', 'bench'];

const clone = cloned();

test('all are tried here', () => {
  const tried = [...Object.keys(SERVERS), ...Object.keys(ONE_SHOTS), ...CHAINS];
  expect(tried.toSorted()).toEqual(Object.keys(manifest.scripts).toSorted());
});

testServer('dev', clone);

/** Other ways to run one. */
const MORE = [['bench:trace', '--processes 2 --hours 0.02']] as const;

test.each([...Object.entries(ONE_SHOTS), ...MORE])('npm run %s -- %s', async (script, args) => {
  const command = new Command(`npm run ${script} -- ${args}`, clone());
  onTestFinished(() => command.end());
  const code = await command.ended;
  expect(code, command.output).toBe(0);
});

describe.each(CHAINS)('npm run %s', (script) => {
  test('calls scripts that are tried here, and programs that are installed', () => {
    const steps = manifest.scripts[script as 'check'].split(' && ');
    const [scripts, programs] = [
      steps.filter((step) => step.startsWith('npm ')),
      steps.filter((step) => !step.startsWith('npm ')),
    ];
    const names = scripts.map((step) => /^npm (?:run )?([\w:]+)$/.exec(step)?.[1]);
    expect(names.filter((name) => name === undefined || !(name in ONE_SHOTS))).toEqual([]);
    expect(programs.filter((step) => step !== 'oxfmt --check')).toEqual([]);
  });
});
