// Asks for the explanation of a conversation and shows it; forgets the conversation when that is wanted, and confirmed.

import { ageText, at, element, numberText } from './elements.js';
import { mapOf } from './map.js';

const OUTCOMES = {
  hit: 'Hit: it would be answered from what is known.',
  read: 'Miss: Chatwoot would be asked.',
  not_found: 'Not there: Chatwoot has just said so.',
};

let explained = null;

export function wireConversation() {
  at('ask').addEventListener('submit', (event) => {
    event.preventDefault();
    void explain();
  });
  at('forget').addEventListener('click', confirm);
  at('sure').addEventListener('close', () => {
    if (at('sure').returnValue === 'forget') void forget();
  });
  new ResizeObserver(redraw).observe(at('map'));
}

async function explain() {
  const filled = [...new FormData(at('ask'))].filter(([, value]) => value !== '');
  try {
    const response = await fetch(`/admin/explain?${new URLSearchParams(filled)}`);
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    show(answer);
  } catch (error) {
    explained = null;
    at('explained').hidden = false;
    at('verdict').textContent = error instanceof Error ? error.message : 'There was no answer';
    at('because').textContent = '';
    at('map').replaceChildren();
    at('facts').replaceChildren();
  }
}

function show(answer) {
  explained = answer;
  at('explained').hidden = false;
  at('verdict').textContent = OUTCOMES[answer.answer.outcome];
  at('because').textContent = answer.answer.because;
  const { rows, metaAgeMs, mode, due, committedBelow, contradictions, known } = answer;
  const dues = Object.entries(due).flatMap(([what, is]) => (is ? what : []));
  const facts = [
    ['Messages known', `${numberText(rows.count)} (${numberText(rows.bytes)} bytes)`],
    ['Ranges known', numberText(known.length)],
    ['meta', metaAgeMs === null ? 'unknown' : `read ${ageText(metaAgeMs)} ago`],
    ['Mode', mode],
    ['Due', dues.length === 0 ? 'nothing' : dues.join(', ')],
    ['Surely committed', committedBelow === 0 ? 'not known yet' : `ids below ${numberText(committedBelow)}`],
    ['Contradictions', numberText(contradictions)],
    [
      'While Chatwoot fails',
      answer.answer.shownWhileChatwootFails ? 'it would be shown, marked stale' : 'callers would get an error',
    ],
  ];
  at('facts').replaceChildren(...facts.flatMap(([what, value]) => [element('dt', {}, what), element('dd', {}, value)]));
  at('detail').textContent = '';
  redraw();
}

function redraw() {
  const width = at('map').clientWidth;
  if (explained === null || width === 0) return;
  // What has the focus would lose it.
  if (at('map').contains(document.activeElement) && at('map').firstChild?.width.baseVal.value === width) return;
  at('map').replaceChildren(mapOf(explained, width, (words) => (at('detail').textContent = words)));
}

function confirm() {
  if (explained === null) return;
  at('sure-text').textContent = `Forget conversation ${explained.conversation} of account ${explained.account}?`;
  at('sure').returnValue = '';
  at('sure').showModal();
}

async function forget() {
  const { account, conversation } = explained;
  // The header tells that this page asks: others cannot send it.
  const response = await fetch(`/admin/cache?account=${account}&conversation=${conversation}`, {
    method: 'DELETE',
    headers: { 'x-backscroll-page': 'status' },
  });
  if (response.ok) await explain();
  else at('verdict').textContent = `It was not forgotten: the answer was ${response.status}`;
}
