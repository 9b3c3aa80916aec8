// @ts-check
// Chips that lead to a search. They are links, so that they can be opened in another tab.

/** @import { Attributes } from '../shared/dom.js' */

import { make } from '../shared/dom.js';
import { formatNumber } from '../shared/i18n.js';

/**
 * @param {string} url
 * @param {string} text
 * @param {string | undefined} extra
 * @param {Attributes} attributes
 */
const chip = (url, text, extra, attributes) =>
  make(
    'a',
    { class: 'chip', href: url, ...attributes },
    make('span', { dir: 'auto', text }),
    extra ? make('span', { class: 'chip-extra', text: extra }) : null,
  );

/**
 * A chip that searches for a text.
 *
 * @param {string} text
 * @param {string} [extra]
 */
export const textChip = (text, extra) =>
  chip(`/?q=${encodeURIComponent(text)}`, text, extra, { 'data-words': text, 'data-testid': 'label-chip' });

/**
 * A chip that searches for a label among the items that have it.
 *
 * @param {string} label
 * @param {number} count
 */
export function labelChip(label, count) {
  const url = `/?q=${encodeURIComponent(label)}&label=${encodeURIComponent(label)}`;
  return chip(url, label, formatNumber(count), { 'data-address': url });
}
