// The shape of a route: its words without its ids, for logs and metrics. Of words that callers choose, only known ones are told.

import type { PassedTarget } from './passed-target.ts';

const RESOURCES: ReadonlySet<string> = new Set([
  'agent_bots',
  'agents',
  'assignable_agents',
  'automation_rules',
  'bulk_actions',
  'campaigns',
  'canned_responses',
  'contacts',
  'conversations',
  'csat_survey_responses',
  'custom_attribute_definitions',
  'custom_filters',
  'dashboard_apps',
  'inbox_members',
  'inboxes',
  'integrations',
  'labels',
  'macros',
  'notifications',
  'portals',
  'reports',
  'search',
  'summary_reports',
  'teams',
  'webhooks',
]);

const PARTS: Readonly<Record<string, ReadonlySet<string>>> = {
  conversations: new Set([
    'assignments',
    'attachments',
    'custom_attributes',
    'labels',
    'messages',
    'participants',
    'toggle_priority',
    'toggle_status',
    'toggle_typing_status',
    'transcript',
    'update_last_seen',
  ]),
  contacts: new Set(['contact_inboxes', 'contactable_inboxes', 'conversations', 'labels', 'notes']),
};

/** Such as `accounts/conversations/messages`; `other` for what is not known. */
export function routeShape({ path }: Pick<PassedTarget, 'path'>): string {
  const [, api, , first, , resource, , part] = path.replace(/\.json\/?$/, '').split('/');
  if (first === undefined || first === '') return api ?? 'other';
  if (first === 'profile') return first;
  if (first !== 'accounts') return 'other';
  if (resource === undefined || resource === '') return first;
  if (!RESOURCES.has(resource)) return `${first}/other`;
  if (part === undefined || part === '') return `${first}/${resource}`;
  return `${first}/${resource}/${PARTS[resource]?.has(part) === true ? part : 'other'}`;
}

/** Whether nobody but a known token has a success there. */
export function needsToken({ path }: Pick<PassedTarget, 'path'>): boolean {
  return /^\/api\/v[12]\/(?:profile|accounts\/\d+)(?:\/|\.json|$)/.test(path);
}
