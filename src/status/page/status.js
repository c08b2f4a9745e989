// The page: asks for numbers while it is seen, and has them shown.

import { wireConversation } from './conversation.js';
import { at } from './elements.js';
import { showOverview } from './overview.js';
import { History, showPlots } from './plots.js';

const EVERY_MS_MIN = 1000;

const history = new History();
let startedAt;
let timer;
let isAsking = false;

async function poll() {
  if (isAsking) return;
  clearTimeout(timer);
  if (document.hidden) return;
  isAsking = true;
  let everyMs = 5000;
  try {
    const response = await fetch(`/status/data?after=${history.lastAt}`);
    if (!response.ok) throw new Error(`It answered ${response.status}`);
    const data = await response.json();
    everyMs = Math.max(EVERY_MS_MIN, data.everyMs);
    // After a restart, what this page holds is of another life.
    if (startedAt !== undefined && startedAt !== data.startedAt) history.clear();
    startedAt = data.startedAt;
    history.add(data);
    showOverview(data);
    showPlots(history, data.everyMs);
    say(at('news'), '');
  } catch (error) {
    say(at('news'), `No new numbers: ${error instanceof Error ? error.message : 'no answer'}. Trying again.`);
  } finally {
    isAsking = false;
    timer = setTimeout(() => void poll(), everyMs);
  }
}

/** Told once, not at each attempt: it is read aloud. */
function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

document.addEventListener('visibilitychange', () => void poll());
wireConversation();
void poll();
