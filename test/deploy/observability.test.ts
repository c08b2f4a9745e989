// Alerts and dashboard ask only for metrics that the program has, and alerts fire when they should.

import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { Registry } from 'prom-client';
import { feedObserver } from '../../src/http/feed-told.ts';
import { sharedMetrics } from '../../src/shared/metrics.ts';
import { ROOT, textOf } from '../documents/markdown.ts';
import { startHouse } from '../support/backscroll.ts';

const RULES = textOf('deploy/prometheus/backscroll.rules.yml');
const TESTS = textOf('deploy/prometheus/backscroll.test.yml');
const DASHBOARD = textOf('deploy/grafana/backscroll.json');

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly query: string }[] };
}

const hasPromtool = ((): boolean => {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Names of all series of the program, those of the feed and of the shared level included. */
async function seriesOfProgram(): Promise<ReadonlySet<string>> {
  const { backscroll } = await startHouse();
  const others = new Registry();
  feedObserver(others, pino({ level: 'silent' }), () => 0);
  sharedMetrics(others, () => 1);
  const text = `${await backscroll.metrics()}\n${await others.metrics()}`;
  const types = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)];
  return new Set(
    types.flatMap(([, name = '', type]) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => name + part) : name,
    ),
  );
}

/** What looks like a metric's name in queries. */
function metricsIn(text: string): string[] {
  return [...text.matchAll(/\b(?:backscroll|process|nodejs)_\w+/g)].map(([name]) => name);
}

test('the alerts ask for metrics that exist, and each has its two tests and says what to do', async () => {
  const series = await seriesOfProgram();
  const exprs = [...RULES.matchAll(/expr: (?:\|\n((?: {10,}.*\n)+)|(.*))/g)].map(([, block, line]) => block ?? line ?? '');
  const alerts = [...RULES.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
  expect(exprs).toHaveLength(alerts.length);
  for (const expr of exprs) expect(metricsIn(expr), expr).not.toEqual([]);
  expect(metricsIn(exprs.join('\n')).filter((name) => !series.has(name))).toEqual([]);
  expect(RULES.match(/^ +action: \S.{40,}$/gm)).toHaveLength(alerts.length);
  for (const alert of alerts) {
    for (const what of ['fires', 'is silent']) expect(TESTS).toContain(`name: '${alert} ${what}'`);
  }
  expect(metricsIn(TESTS).filter((name) => !series.has(name))).toEqual([]);
});

test('the dashboard asks for metrics that exist', async () => {
  const series = await seriesOfProgram();
  const { panels, templating } = JSON.parse(DASHBOARD) as Dashboard;
  for (const { title, targets } of panels) {
    expect(targets.length, title).toBeGreaterThan(0);
    for (const { expr } of targets) expect(metricsIn(expr), `${title}: ${expr}`).not.toEqual([]);
  }
  const queries = [
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...templating.list.map(({ query }) => query),
  ];
  expect(queries.flatMap(metricsIn).filter((name) => !series.has(name))).toEqual([]);
});

test('the alerts fire and are silent as their tests say', async (context) => {
  context.skip(!hasPromtool && process.env['CI'] !== 'true', 'no promtool: apt-get install prometheus');
  expect(hasPromtool).toBe(true);
  const output = await new Promise<string>((resolve, reject) => {
    execFile(
      'promtool',
      ['test', 'rules', 'backscroll.test.yml'],
      { cwd: `${ROOT}/deploy/prometheus` },
      (error, stdout, stderr) => (error === null ? resolve(stdout) : reject(new Error(stdout + stderr))),
    );
  });
  expect(output).toContain('SUCCESS');
});

test('Prometheus can parse the queries of the dashboard', async (context) => {
  context.skip(!hasPromtool && process.env['CI'] !== 'true', 'no promtool: apt-get install prometheus');
  const { panels } = JSON.parse(DASHBOARD) as Dashboard;
  const exprs = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '5m')));
  const rules = exprs.map((expr, at) => `      - record: job:query${at}:value\n        expr: ${JSON.stringify(expr)}\n`).join('');
  const folder = await mkdtemp(join(tmpdir(), 'backscroll-rules-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'rules.yml'), `groups:\n  - name: dashboard\n    rules:\n${rules}`);
  const output = execFileSync('promtool', ['check', 'rules', join(folder, 'rules.yml')], { encoding: 'utf8' });
  expect(output).toContain(`${exprs.length} rules found`);
});
