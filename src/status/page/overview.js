// Totals, the state of each part, who reads, and the last errors.

import { ageText, at, element, numberText } from './elements.js';

const STATES = { good: 'good', off: 'off', warn: 'look soon', bad: 'look now' };
const COUNTS = [
  ['reads', 'Reads'],
  ['calls', 'Calls'],
  ['savedCalls', 'Saved calls'],
  ['savedSql', 'Saved SQL'],
  ['refused', 'Refused'],
];

export function showOverview({ version, startedAt, now, totals, panels, clients, accounts, errors }) {
  at('about').textContent = `${version}, up for ${upText(Date.parse(now) - Date.parse(startedAt))}`;
  at('totals').replaceChildren(
    ...[
      ['Pages answered', numberText(totals.pages)],
      ['Share of hits', shareOf(totals.requests)],
      ['Calls to Chatwoot', numberText(sum(totals.calls))],
      ['Calls saved', numberText(totals.savedCalls)],
      ['SQL queries saved', numberText(totals.savedSql)],
    ].map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))),
  );
  at('panels').replaceChildren(...panels.map(panel));
  at('clients').replaceChildren(ranking('Client', clients));
  at('accounts').replaceChildren(ranking('Account', accounts));
  at('errors').replaceChildren(errorsTable(errors, now));
}

function panel({ name, state, rows }) {
  const lines = rows.flatMap(([what, value]) => [element('dt', {}, what), element('dd', {}, value)]);
  const title = element('h3', {}, `${name} `, element('span', { class: `state ${state}` }, STATES[state]));
  return element('div', { class: 'panel' }, title, element('dl', {}, ...lines));
}

function ranking(what, { top, others }) {
  if (top.length === 0) return element('p', { class: 'none' }, 'None yet.');
  const named = others.count === 0 ? top : [...top, { ...others, name: `${numberText(others.count)} others` }];
  return table(
    [what, ...COUNTS.map(([, title]) => title)],
    named.map((row) => [row.name, ...COUNTS.map(([key]) => numberText(row[key]))]),
    1,
  );
}

function errorsTable(errors, now) {
  if (errors.length === 0) return element('p', { class: 'none' }, 'None yet.');
  return table(
    ['Code', 'Times', 'Last', 'Whom', 'Which', 'What it said', 'Request'],
    errors.map(({ code, count, at: when, client, conversation, sentence, requestId }) => [
      code,
      numberText(count),
      `${ageText(Date.parse(now) - Date.parse(when))} ago`,
      client ?? 'nobody known',
      conversation === null ? '' : `${conversation.accountId}/${conversation.conversationId}`,
      sentence,
      requestId,
    ]),
  );
}

/** @param numbersFrom the column from which on all are numbers */
function table(titles, rows, numbersFrom = Infinity) {
  const kind = (column) => (column >= numbersFrom ? { class: 'number' } : {});
  const head = element('tr', {}, ...titles.map((title, column) => element('th', { scope: 'col', ...kind(column) }, title)));
  const body = rows.map((cells) =>
    element(
      'tr',
      {},
      ...cells.map((cell, column) => element(column === 0 ? 'th' : 'td', column === 0 ? { scope: 'row' } : kind(column), cell)),
    ),
  );
  // Where it is wider than the screen it is scrolled, also by keyboard.
  const scroll = { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `${titles[0]} table` };
  return element('div', scroll, element('table', {}, element('thead', {}, head), element('tbody', {}, ...body)));
}

function shareOf(requests) {
  const all = sum(requests) - requests.none;
  return all === 0 ? '–' : `${((100 * requests.hit) / all).toFixed(1)} %`;
}

function sum(values) {
  return Object.values(values).reduce((total, value) => total + value, 0);
}

function upText(ms) {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 120) return `${minutes} min`;
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} days`;
}
