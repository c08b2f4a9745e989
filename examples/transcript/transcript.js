// Shows one conversation through Backscroll: the newest page first, older ones as the reader scrolls up, new messages as they come.
//
// The address is …/transcript/#account=1&conversation=7&token=<JWT>. A browser sends no part of what follows the # to any
// server. The token is taken out of the address bar at once and kept in memory only: not in storage, not in the page.

/** Where Backscroll answers: '' is where this page comes from. Another origin belongs into the page's connect-src and into CORS_ORIGINS. */
const BACKSCROLL = '';
/** Chatwoot's own page size: a shorter page is the last. */
const PAGE = 20;
/** That of a page of newer messages. */
const NEWER_PAGE = 100;
const POLL_MS = 4000;
const RETRY_MS_MAX = 60_000;

const INCOMING = 0;

/** What is said where nothing can be shown. These do not pass by waiting. */
const ENDS = {
  400: 'This link is not complete. Open it again as you received it.',
  401: 'This link is no longer valid. Please ask for a new one.',
  403: 'This conversation cannot be shown.',
  404: 'This conversation was not found, or this link does not lead to it.',
};

const element = (id) => document.getElementById(id);
const [scroller, list, beginning, older, statusLine, news] = ['scroller', 'messages', 'beginning', 'older', 'status', 'news'].map(
  element,
);

/** Thrown where asking again is of no use; its message is for the reader. */
class End extends Error {}

const { messagesUrl, token } = takeAddress();
/** Rows by id, in the order in which they are shown: oldest first. */
let shown = new Map();
let etag = null;
let reachedBeginning = false;
let loadingOlder = false;
let pollTimer;
/** The reader looks at the newest message and goes on doing so as others come. */
let following = true;
let polling = false;
/** Set where asking again is of no use. */
let stopped = false;

function takeAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  history.replaceState(null, '', location.pathname + location.search);
  const [account, conversation] = ['account', 'conversation'].map((name) => address.get(name) ?? '');
  const complete = /^\d+$/.test(account) && /^\d+$/.test(conversation) && address.has('token');
  return {
    messagesUrl: complete ? `${BACKSCROLL}/api/v1/accounts/${account}/conversations/${conversation}/messages` : null,
    token: address.get('token'),
  };
}

/** Asks until there is an answer: what passes is waited for, as long as Retry-After says. Null where nothing has changed. */
async function ask(search, knownEtag = null) {
  if (messagesUrl === null) throw new End(ENDS[400]);
  for (let attempt = 0; ; attempt++) {
    const headers = { authorization: `Bearer ${token}` };
    if (knownEtag !== null) headers['if-none-match'] = knownEtag;
    const options = { headers, cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer' };
    const response = await fetch(messagesUrl + search, options).catch(() => null);
    if (response?.status === 304) return say('', null);
    if (response?.ok) {
      const page = await response.json().catch(() => null);
      if (Array.isArray(page?.payload)) return say('', { ...page, etag: response.headers.get('etag') });
    }
    if (response !== null && response.status in ENDS) throw new End(ENDS[response.status]);
    const waitMs = retryAfterMs(response) ?? Math.min(RETRY_MS_MAX, 1000 * 2 ** attempt);
    const reason = response?.status === 429 ? 'Too many requests.' : 'Messages cannot be loaded right now.';
    say(`${reason} Trying again in ${Math.ceil(waitMs / 1000)} s.`);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

/** Retry-After holds seconds or a date (RFC 9110 10.2.3). */
function retryAfterMs(response) {
  const value = response?.headers.get('retry-after') ?? '';
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? null : Math.min(RETRY_MS_MAX, Math.max(1000, ms));
}

/** Puts a sentence under the messages; '' takes it away. */
function say(sentence, result) {
  if (statusLine.textContent !== sentence) statusLine.textContent = sentence;
  return result;
}

const idsOf = (rows) => [...rows].map(({ id }) => id);

/** The newest page: shown at first, then asked for again and again. */
async function loadNewest() {
  const page = await ask('', etag);
  if (page === null) return;
  const isFirst = etag === null;
  const overlaps = page.payload.some(({ id }) => shown.has(id));
  const missed = isFirst || overlaps || page.payload.length < PAGE || shown.size === 0 ? [] : await loadMissed();
  etag = page.etag;
  if (isFirst) reachedBeginning = page.payload.length < PAGE;
  show([...shown.values(), ...missed, ...page.payload]);
  if (!isFirst) return;
  markBeginning();
  document.title = `Conversation${page.meta?.contact?.name ? ` with ${page.meta.contact.name}` : ''}`;
  document.querySelector('h1').textContent = document.title;
}

/** Everything above the newest id that is shown: more came at once than the newest page holds. */
async function loadMissed() {
  const missed = [];
  for (;;) {
    const after = Math.max(...idsOf(shown.values()), ...idsOf(missed));
    const { payload } = await ask(`?after=${after}`);
    missed.push(...payload);
    if (payload.length < NEWER_PAGE) return missed;
  }
}

/** One page of older messages, above those that are shown. */
async function loadOlder() {
  if (loadingOlder || reachedBeginning || shown.size === 0) return;
  loadingOlder = true;
  try {
    const { payload } = await ask(`?before=${Math.min(...idsOf(shown.values()))}`);
    reachedBeginning = payload.length < PAGE;
    show([...payload, ...shown.values()]);
    markBeginning();
  } finally {
    loadingOlder = false;
  }
  if (isNearTop()) await loadOlder();
}

function markBeginning() {
  older.hidden = reachedBeginning;
  beginning.hidden = !reachedBeginning;
}

const isNearTop = () => scroller.scrollTop < scroller.clientHeight;
const isAtBottom = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;

/** Shows these rows, of equal ids the last. What the reader looks at stays where it is. */
function show(rows) {
  const before = shown;
  shown = new Map(rows.map((row) => [row.id, row]));
  const fromBottom = scroller.scrollHeight - scroller.scrollTop;
  const grewBelow = [...shown.keys()].at(-1) !== [...before.keys()].at(-1);
  draw(before);
  if (following) scroller.scrollTop = scroller.scrollHeight;
  else if (!grewBelow) scroller.scrollTop = scroller.scrollHeight - fromBottom;
  if (!grewBelow || before.size === 0) return;
  const fresh = [...shown.values()].filter(({ id }) => !before.has(id));
  news.textContent = fresh.map((row) => `${nameOf(row)}: ${row.content ?? 'sent a file'}`).join('\n');
}

/** Draws rows that are new or have changed, and a line above each day's first. */
function draw(before) {
  const drawn = new Map([...list.children].map((item) => [item.dataset.key, item]));
  let day = '';
  const items = [];
  for (const [id, row] of shown) {
    const date = dayOf(row);
    if (date !== day)
      items.push(drawn.get(`day ${date}`) ?? make('li', { className: 'day', dataset: { key: `day ${date}` } }, date));
    day = date;
    const old = drawn.get(String(id));
    const same = old !== undefined && JSON.stringify(before.get(id)) === JSON.stringify(row);
    items.push(same ? old : drawMessage(row));
  }
  // What is there already is not moved: moving takes the focus away.
  for (const [at, item] of items.entries()) if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
  while (list.children.length > items.length) list.lastElementChild.remove();
}

const dayFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });
const timeFormat = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const dateOf = (row) => new Date(row.created_at * 1000);
const dayOf = (row) => dayFormat.format(dateOf(row));

function nameOf(row) {
  return row.sender?.available_name || row.sender?.name || (row.message_type === INCOMING ? 'You' : 'Support');
}

function drawMessage(row) {
  const { deleted, items = [], submitted_values: chosen = [], is_unsupported: unsupported } = row.content_attributes ?? {};
  const time = make('time', { dateTime: dateOf(row).toISOString() }, timeFormat.format(dateOf(row)));
  const parts = [make('div', { className: 'byline' }, make('b', {}, nameOf(row)), time)];
  if (row.content) parts.push(make('p', { className: deleted ? 'aside' : '' }, row.content));
  if (items.length > 0) parts.push(make('ul', {}, ...items.map(drawItem)));
  const titles = chosen.map(({ title }) => title).filter(Boolean);
  if (titles.length > 0) parts.push(make('p', {}, `Chosen: ${titles.join(', ')}`));
  parts.push(...(row.attachments ?? []).map(drawAttachment));
  if (unsupported || parts.length === 1) parts.push(make('p', { className: 'aside' }, 'This message cannot be shown here.'));
  if (row.status === 'failed') parts.push(make('p', { className: 'aside' }, 'Not delivered.'));
  const side = row.message_type === INCOMING ? 'message mine' : 'message';
  return make('li', { className: side, dataset: { key: String(row.id) } }, ...parts);
}

function drawItem({ title, label, description, link }) {
  const name = title || label || link || '';
  return make('li', {}, webUrl(link) ? makeLink(link, name) : name, description ? `: ${description}` : '');
}

function drawAttachment({ file_type: type, data_url: url, thumb_url: thumb, width, height, fallback_title: title, ...place }) {
  const name =
    title || { image: 'Image', audio: 'Recording', video: 'Video', location: 'Place', contact: 'Contact card' }[type] || 'File';
  if (type === 'location' && !webUrl(url)) return make('p', {}, `${name}: ${place.coordinates_lat}, ${place.coordinates_long}`);
  if (!webUrl(url)) return make('p', { className: 'aside' }, name);
  if (type === 'audio' || type === 'video') return make(type, { src: url, controls: true, preload: 'none', ariaLabel: name });
  if (type !== 'image') return make('p', {}, makeLink(url, title || fileName(url) || name));
  const size = width && height ? { width, height } : {};
  return makeLink(
    url,
    make('img', { loading: 'lazy', alt: `${name}: ${fileName(url)}`, ...size, src: webUrl(thumb) ? thumb : url }),
  );
}

const webUrl = (url) => /^https?:\/\//i.test(url ?? '');

function fileName(url) {
  const name = new URL(url).pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function makeLink(href, content) {
  return make('a', { href, target: '_blank', rel: 'noopener noreferrer' }, content);
}

/** An element. Strings become text, never markup. */
function make(name, { dataset = {}, ...properties }, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  Object.assign(made.dataset, dataset);
  made.append(...children);
  return made;
}

/** Runs a load to its end; where it cannot end well, says so and stops asking. */
async function run(load) {
  try {
    await load();
  } catch (error) {
    if (!(error instanceof End)) throw error;
    stopped = true;
    older.hidden = true;
    say(error.message);
  }
}

async function poll() {
  if (polling) return;
  polling = true;
  clearTimeout(pollTimer);
  if (!document.hidden) await run(loadNewest);
  polling = false;
  if (!stopped) pollTimer = setTimeout(() => void poll(), POLL_MS);
}

const onScroll = () => {
  following = isAtBottom();
  if (!stopped && isNearTop()) void run(loadOlder);
};
scroller.addEventListener('scroll', onScroll, { passive: true });
// Images have no height until they are there.
new ResizeObserver(() => following && (scroller.scrollTop = scroller.scrollHeight)).observe(list);
older.querySelector('button').addEventListener('click', () => void run(loadOlder));
// Another link to this page, opened in its place.
addEventListener('hashchange', () => location.reload());
document.addEventListener('visibilitychange', () => void (document.hidden || stopped ? null : poll()));

await poll();
if (!stopped && isNearTop()) void run(loadOlder);
