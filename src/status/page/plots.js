// The plots of the last hour, drawn by uPlot.

import uPlot from './uplot.js';
import { at, element } from './elements.js';

const HOUR_S = 3600;
const HEIGHT = 180;
const MEGABYTE = 1_048_576;

const DARK = matchMedia('(prefers-color-scheme: dark)');

/** What each plot shows: columns of the data with a name and a colour. */
const PLOTS = [
  {
    title: 'Requests a second, by what the cache did',
    series: [
      ['hit', 'hit', '--green'],
      ['miss', 'miss', '--blue'],
      ['coalesced', 'coalesced', '--cyan'],
      ['stale', 'stale', '--amber'],
      ['bypass', 'bypass', '--violet'],
      ['none', 'error', '--red'],
    ],
    value: (column, { everyMs }) => column.map((value) => (value * 1000) / everyMs),
  },
  {
    title: 'Calls to Chatwoot a second, by reason',
    series: [
      ['forward', 'forward', '--blue'],
      ['fill', 'fill', '--cyan'],
      ['seal', 'seal', '--green'],
      ['refresh', 'refresh', '--amber'],
      ['meta', 'meta', '--violet'],
      ['probe', 'probe', '--gray'],
      ['shadow', 'shadow', '--red'],
    ],
    value: (column, { everyMs }) => column.map((value) => (value * 1000) / everyMs),
  },
  {
    title: 'Share of hits, %',
    series: [['hit', 'hits', '--green']],
    value: (column, { history }) => {
      const answered = ['hit', 'miss', 'coalesced', 'stale', 'bypass'].map((name) => history.column(name));
      return column.map((hits, row) => {
        const all = answered.reduce((sum, other) => sum + other[row], 0);
        return all === 0 ? null : (100 * hits) / all;
      });
    },
    range: [0, 100],
  },
  {
    title: 'Time from request to answer, ms',
    series: [
      ['medianMs', 'median', '--green'],
      ['p99Ms', 'p99', '--amber'],
    ],
    value: (column) => column,
  },
  {
    title: 'Memory, MB',
    series: [
      ['cacheBytes', 'cache', '--green'],
      ['rssBytes', 'process', '--blue'],
    ],
    value: (column) => column.map((bytes) => bytes / MEGABYTE),
  },
];

/** The rows that came so far, no older than an hour. */
export class History {
  #columns = [];
  #rows = [];

  add({ columns, history }) {
    this.#columns = columns;
    this.#rows.push(...history);
    const from = this.lastAt - HOUR_S;
    this.#rows = this.#rows.filter(([moment]) => moment > from);
  }

  clear() {
    this.#rows = [];
  }

  /** Unix seconds; 0 where there are none. */
  get lastAt() {
    return this.#rows.at(-1)?.[0] ?? 0;
  }

  column(name) {
    const index = this.#columns.indexOf(name);
    return this.#rows.map((row) => row[index]);
  }
}

let drawings = [];
let shown;

export function showPlots(history, everyMs) {
  shown = { history, everyMs };
  if (drawings.length === 0) draw();
  for (const { plot, uplot } of drawings) uplot.setData(dataOf(plot, shown));
}

function dataOf({ series, value }, { history, everyMs }) {
  return [history.column('at'), ...series.map(([name]) => value(history.column(name), { history, everyMs }))];
}

function draw() {
  for (const { uplot } of drawings) uplot.destroy();
  const figures = PLOTS.map(({ title }) => element('figure', {}, element('figcaption', {}, title)));
  at('plots').replaceChildren(...figures);
  drawings = PLOTS.map((plot, index) => ({ plot, figure: figures[index], uplot: drawingOf(plot, figures[index]) }));
  for (const figure of figures) resized.observe(figure);
}

function drawingOf(plot, figure) {
  const axis = {
    stroke: color('--faint'),
    grid: { stroke: color('--line'), width: 1 },
    ticks: { stroke: color('--line'), width: 1 },
  };
  const options = {
    width: widthIn(figure),
    height: HEIGHT,
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: plot.range ?? ((_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1]) } },
    axes: [axis, { ...axis, size: 54 }],
    series: [
      {},
      ...plot.series.map(([, label, name]) => ({
        label,
        stroke: color(name),
        width: 2,
        value: (_plot, value) => rounded(value),
      })),
    ],
  };
  const uplot = new uPlot(options, dataOf(plot, shown), figure);
  uplot.root.querySelector('canvas').setAttribute('aria-hidden', 'true');
  return uplot;
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function rounded(value) {
  return value === null || value === undefined ? '–' : String(Math.round(value * 100) / 100);
}

function widthIn(figure) {
  const { paddingLeft, paddingRight } = getComputedStyle(figure);
  return Math.max(200, figure.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight));
}

const resized = new ResizeObserver(() => {
  for (const { figure, uplot } of drawings) {
    if (uplot.width !== widthIn(figure)) uplot.setSize({ width: widthIn(figure), height: HEIGHT });
  }
});

DARK.addEventListener('change', () => {
  if (drawings.length > 0) draw();
});
