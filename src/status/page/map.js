// The map of a conversation: ids from left to right, what is known of them, the rows, and the page that is asked for.
//
//   0        lowest known id                                   highest        no end
//   ├── … ───┤────────────────────────────────────────────────┤────── … ──────┤

import { ageText, drawn, numberText } from './elements.js';

const MARGIN = 28;
const [ASKED_Y, KNOWN_Y, ROWS_Y, WORDS_Y] = [8, 26, 78, 116];
const [KNOWN_HEIGHT, ROWS_HEIGHT, HEIGHT] = [44, 20, 124];
/** Older rows are drawn no lighter. */
const OLD_MS = 15 * 60_000;

/**
 * @param onFocus is told, in words, of the range that has the focus
 * @returns the drawing of an explanation, so many pixels wide
 */
export function mapOf(explanation, width, onFocus) {
  const { rows, known, unknown, query, answer } = explanation;
  const low = rows.lowestId ?? Math.max(1, query.from);
  const high = Math.max(low + 1, rows.highestId === null ? (query.below ?? low + 1) : rows.highestId + 1);
  const place = (id) => {
    if (id === null) return width;
    if (id <= 0) return 0;
    if (id < low) return MARGIN / 2;
    if (id > high) return width - MARGIN / 2;
    return MARGIN + ((id - low) / (high - low)) * (width - 2 * MARGIN);
  };

  const segments = [...known, ...unknown.map((ids) => ({ ...ids, standing: 'unknown', except: null }))]
    .toSorted((a, b) => a.from - b.from)
    .map((range) => segmentOf(range, place));
  keyboard(segments, onFocus);

  const bins = rows.bins.map(({ from, below, ageMs }) =>
    drawn('rect', {
      class: 'bin',
      x: place(from),
      y: ROWS_Y,
      width: Math.max(1, place(below) - place(from) - 0.5),
      height: ROWS_HEIGHT,
      'fill-opacity': (0.9 - 0.6 * Math.min(1, ageMs / OLD_MS)).toFixed(2),
    }),
  );
  const asked = drawn('path', {
    class: 'asked',
    d: `M ${place(query.from) + 1} ${ASKED_Y + 8} v -6 H ${place(query.below) - 1} v 6`,
    'data-from': query.from,
    'data-below': query.below ?? '',
  });
  const hatch = drawn(
    'pattern',
    { id: 'hatch', width: 8, height: 8, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
    drawn('line', { class: 'hatch', y2: 8 }),
  );
  const words = [
    drawn('text', { x: MARGIN, y: WORDS_Y }, rows.lowestId === null ? '' : numberText(low)),
    drawn(
      'text',
      { x: width - MARGIN, y: WORDS_Y, 'text-anchor': 'end' },
      rows.highestId === null ? '' : numberText(rows.highestId),
    ),
  ];
  return drawn(
    'svg',
    { width, height: HEIGHT },
    drawn('defs', {}, hatch),
    drawn('g', { 'aria-hidden': 'true' }, asked, ...pageOf(answer.page, place), ...bins, ...words),
    drawn('g', { role: 'listbox', 'aria-label': 'Ranges of ids, from low to high' }, ...segments.map(({ shape }) => shape)),
  );
}

function segmentOf({ from, below, standing, except, ageMs }, place) {
  const height = except === null ? KNOWN_HEIGHT : KNOWN_HEIGHT * 0.45;
  const words = inWords({ from, below, standing, except, ageMs });
  const shape = drawn('rect', {
    class: `segment ${standing}`,
    role: 'option',
    'aria-selected': 'false',
    'aria-label': words,
    tabindex: '-1',
    x: place(from),
    y: KNOWN_Y + KNOWN_HEIGHT - height,
    width: Math.max(2, place(below) - place(from)),
    height,
    'data-from': from,
    'data-below': below ?? '',
    'data-standing': standing,
    'data-part': except === null ? 'whole' : 'part',
  });
  return { shape, words };
}

function inWords({ from, below, standing, except, ageMs }) {
  const ids = below === null ? `Ids from ${numberText(from)} up` : `Ids ${numberText(from)} to ${numberText(below - 1)}`;
  if (standing === 'unknown') return `${ids}: unknown`;
  const told = `${ids}: ${standing}, read ${ageText(ageMs)} ago`;
  if (except?.to) return `${told}; messages as old as ${numberText(except.to.id)} or older may be unknown`;
  return except?.from ? `${told}; messages as new as ${numberText(except.from.id)} or newer may be unknown` : told;
}

/** The page as a bar for each stretch of its ids. */
function pageOf(page, place) {
  if (page === null || page.length === 0) return [];
  const [first, last] = [Math.min(...page), Math.max(...page)];
  return [
    drawn('rect', {
      class: 'page',
      x: place(first),
      y: ASKED_Y + 5,
      width: Math.max(3, place(last + 1) - place(first)),
      height: 7,
      'data-first': first,
      'data-last': last,
    }),
  ];
}

/** One of the ranges is reached by Tab; arrows go from one to the next. */
function keyboard(segments, onFocus) {
  segments[0]?.shape.setAttribute('tabindex', '0');
  for (const [index, { shape, words }] of segments.entries()) {
    shape.addEventListener('focus', () => {
      for (const other of segments) {
        other.shape.setAttribute('tabindex', other.shape === shape ? '0' : '-1');
        other.shape.setAttribute('aria-selected', String(other.shape === shape));
      }
      onFocus(words);
    });
    shape.addEventListener('pointerenter', () => onFocus(words));
    shape.addEventListener('keydown', (event) => {
      const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: segments.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      segments[to]?.shape.focus();
    });
  }
}
