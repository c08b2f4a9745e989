// An account with a few believable conversations, the same for the same seed and moment.

import type { ConversationMeta } from './conversation-meta.ts';
import { agentJson, contactJson } from './conversation-meta.ts';
import type { FakeUser } from './directory.ts';
import { Directory } from './directory.ts';
import { FakeChatwoot } from './fake-chatwoot.ts';
import type { MessageDraft } from './message-row.ts';
import { MessageTable } from './message-table.ts';
import { seededRandom } from './seeded-random.ts';

/** The access token of the sample account's administrator. */
export const SAMPLE_TOKEN = 'sample-chatwoot-token';

/** The sample account's id. */
export const SAMPLE_ACCOUNT_ID = 1;

/** Options of the sample account. */
export interface SampleAccountOptions {
  /** Default 1. */
  readonly seed?: number;
  /** Milliseconds since the epoch; the newest messages are minutes older. Default `Date.now`. */
  readonly now?: () => number;
}

interface SampleConversation {
  readonly id: number;
  readonly contact: { readonly name: string; readonly email?: string; readonly phoneNumber?: string };
  readonly labels: readonly string[];
  readonly messages: number;
  /** How many days the conversation reaches back. */
  readonly days: number;
  /** Index in `AGENTS`, where somebody is assigned. */
  readonly assignee?: number;
}

const CONVERSATIONS: readonly SampleConversation[] = [
  {
    id: 1,
    contact: { name: 'Nadia Brandt', email: 'nadia.brandt@example.test', phoneNumber: '+4915550001' },
    labels: ['vip', 'billing'],
    messages: 400,
    days: 40,
    assignee: 0,
  },
  {
    id: 2,
    contact: { name: 'Oliver Stone', email: 'oliver@example.test' },
    labels: ['shipping'],
    messages: 64,
    days: 12,
    assignee: 1,
  },
  { id: 3, contact: { name: 'Çeren Aksoy', phoneNumber: '+905550002' }, labels: [], messages: 27, days: 6 },
  { id: 4, contact: { name: 'Li Wei', email: 'li.wei@example.test' }, labels: ['bug'], messages: 18, days: 4, assignee: 1 },
  { id: 5, contact: { name: 'Pat Quill' }, labels: [], messages: 5, days: 1, assignee: 0 },
  { id: 6, contact: { name: 'New Visitor' }, labels: [], messages: 0, days: 0 },
];

const AGENTS: readonly FakeUser[] = [
  { id: 1, name: 'Ada Reyes', email: 'ada@example.test', pubsubToken: 'sample-pubsub-1' },
  { id: 2, name: 'Ben Okafor', email: 'ben@example.test', pubsubToken: 'sample-pubsub-2' },
];

const QUESTIONS = [
  'Hi, where is my parcel?',
  'The invoice shows the wrong address.',
  'Could you check order 4711 again?',
  'It still does not work on my phone.',
  'Thank you, that helped!',
  'Can I change the delivery date?',
];
const REPLIES = [
  'Hello! Let me look into that for you.',
  'I have corrected it, please reload the page.',
  'Your parcel left our warehouse this morning.',
  'Could you send me a screenshot?',
  'You are welcome. Is there anything else?',
];
const NOTES = ['Customer called twice about this.', 'Refund approved by finance.', 'Waiting for the carrier to answer.'];
const ACTIVITIES = [
  'Conversation was marked resolved by Ada Reyes',
  'Conversation was reopened by Nadia Brandt',
  'Ben Okafor added billing',
];

const DAY_US = 86_400_000_000;
const SETTLED_US = 120_000_000;

/** The table and the directory of the sample account. */
export function sampleAccount(options: SampleAccountOptions = {}): {
  readonly table: MessageTable;
  readonly directory: Directory;
} {
  const now = options.now ?? Date.now;
  const random = seededRandom(options.seed ?? 1);
  const table = new MessageTable({ now, firstId: 1000 });
  for (const conversation of CONVERSATIONS) table.addConversation(SAMPLE_ACCOUNT_ID, conversation.id, metaOf(conversation));
  const newestUs = now() * 1000 - SETTLED_US;
  const drafts = CONVERSATIONS.flatMap((conversation) => draftsOf(conversation, newestUs, random));
  for (const draft of drafts.toSorted((a, b) => a.createdAtUs - b.createdAtUs)) {
    table.insert(draft);
    if (random() < 0.2) table.skipIds(1 + Math.floor(random() * 9));
  }
  return { table, directory: directoryOfAgents() };
}

/** A running fake that holds the sample account. */
export async function startSampleChatwoot(options: SampleAccountOptions = {}): Promise<FakeChatwoot> {
  return FakeChatwoot.start({ ...sampleAccount(options), ...(options.now === undefined ? {} : { now: options.now }) });
}

function directoryOfAgents(): Directory {
  const directory = new Directory();
  for (const agent of AGENTS) directory.join(agent, SAMPLE_ACCOUNT_ID, { role: 'administrator' });
  const [first] = AGENTS;
  if (first !== undefined) directory.addToken(SAMPLE_TOKEN, first);
  return directory;
}

function metaOf({ id, contact, labels, assignee }: SampleConversation): ConversationMeta {
  const agent = assignee === undefined ? undefined : AGENTS[assignee];
  return {
    labels,
    additional_attributes: {},
    contact: contactJson({ id, ...contact }),
    ...(agent === undefined ? {} : { assignee: agentJson(agent) }),
    agent_last_seen_at: null,
    assignee_last_seen_at: null,
  };
}

/** Messages at uneven distances, rising to the present, at distinct microseconds. */
function draftsOf(
  conversation: SampleConversation,
  newestUs: number,
  random: () => number,
): (MessageDraft & { createdAtUs: number })[] {
  const gaps = Array.from({ length: conversation.messages }, () => random() ** 4 + 0.001);
  const total = gaps.reduce((sum, gap) => sum + gap, 0);
  let createdAtUs = newestUs - conversation.days * DAY_US;
  return gaps.map((gap) => {
    createdAtUs += Math.floor((gap / total) * conversation.days * DAY_US);
    return { ...wordsOf(conversation, random), accountId: SAMPLE_ACCOUNT_ID, conversationId: conversation.id, createdAtUs };
  });
}

/** Who says what: about half the customer, then agents, now and then a note or an activity. */
function wordsOf(
  { id, contact, assignee }: SampleConversation,
  random: () => number,
): Pick<MessageDraft, 'messageType' | 'private' | 'content' | 'status' | 'sender'> {
  const kind = random();
  const agent = AGENTS[random() < 0.8 ? (assignee ?? 0) : 1];
  const sender = agent === undefined ? {} : { sender: agentJson(agent) };
  if (kind < 0.05) return { messageType: 2, content: pick(ACTIVITIES, random) };
  if (kind < 0.12) return { messageType: 1, private: true, content: pick(NOTES, random), ...sender };
  if (kind < 0.55) return { messageType: 0, content: pick(QUESTIONS, random), sender: contactJson({ id, ...contact }) };
  return { messageType: 1, content: pick(REPLIES, random), status: random() < 0.7 ? 'read' : 'delivered', ...sender };
}

function pick(list: readonly string[], random: () => number): string {
  return list[Math.floor(random() * list.length)] ?? '';
}
