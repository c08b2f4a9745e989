// Whether a text or a URL shows an e-mail address or a phone number. Channels name contacts, and people name files, by
// those where they know no better. Found in whatever spelling: what is invisible, or no letter, hides nothing.

import { unescape } from 'node:querystring';

/** Characters that nobody sees: soft hyphens, joiners, marks of direction, fillers. */
const INVISIBLE = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;

/** Seven digits or more, with anything but letters between them. Modifier letters (`ʼ`) look like signs and are none. */
const PHONE_NUMBER = /\p{Nd}(?:[^\p{Lu}\p{Ll}\p{Lt}\p{Lo}\p{Nd}]*\p{Nd}){6}/u;

/** Whether a text shows an e-mail address or a phone number. */
export function showsContactData(text: string): boolean {
  const seen = plain(text);
  return /[^\s@]@[^\s@]/.test(seen) || PHONE_NUMBER.test(seen);
}

/**
 * Whether a URL does, escapes decoded. For phone numbers each part of path, query and fragment is looked at by itself, since
 * days and ids that slashes keep apart are no number. The host is passed over, as is what machines make.
 */
export function urlShowsContactData(url: string): boolean {
  // A mailbox has a name: `/@jane` is a profile, and `logo@2x.png` an image for fine screens.
  if (/[^\s@/?#&=]@(?!\dx\.(?:png|jpe?g|webp|gif|svg)\b)[^\s@/?#&]/i.test(plain(decoded(url)))) return true;
  return url
    .replace(/^https?:\/\/[^/?#]*/i, '')
    .split(/[/?#&;]/)
    .some((part) => {
      const seen = plain(decoded(part));
      return PHONE_NUMBER.test(seen) && PHONE_NUMBER.test(seen.replaceAll(MACHINE_MADE, 'x'));
    });
}

/** What people see of it. */
function plain(text: string): string {
  if (/^[ -~]*$/.test(text)) return text;
  return text.normalize('NFKC').replaceAll(INVISIBLE, '');
}

/** Without percent-encoding, also where it was encoded twice. */
function decoded(url: string): string {
  let text = url;
  for (let times = 0; times < 3 && text.includes('%'); times++) text = unescape(text);
  return text;
}

/**
 * Digits by chance or by clock: a signed id of Active Storage, a hash, a UUID, more digits than a phone number may have
 * (E.164: 15), a day and the time behind it, a place on the map, the version of a file.
 */
const MACHINE_MADE = new RegExp(
  [
    /^[\w+=-]+--[0-9a-f]{40,128}$/,
    /(?<![0-9a-z])(?=\d*[a-f])[0-9a-f]{32,}(?![0-9a-z])/,
    /(?<![0-9a-z])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-z])/,
    /\d{16,}/,
    /(?<![\d+])(?:19|20)\d\d([-_.]?)(?:0\d|1[0-2])\1(?:[0-2]\d|3[01])(?:[\sT_-]*[0-2]\d([-_.:]?)[0-5]\d\2[0-5]\d)?(?!\d)/,
    /(?<![\d+])-?\d{1,2}\.\d{3,},\s?-?\d{1,3}\.\d{3,}(?!\d)/,
    /^(?:v|t|ts|expires)=\d{10,13}$/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gi',
);
