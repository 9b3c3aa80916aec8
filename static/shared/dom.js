// Small helpers for building the page. Text from the collection enters the page only through `textContent` and
// attributes, so that a caption or a file name with markup in it stays what it is: text.

import { number } from './i18n.js';

export const byId = (id) => document.getElementById(id);

/** Makes an element: `text` is its text, `share` the CSS variable that bars are drawn from, the rest are attributes. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'text') node.textContent = value;
    else if (name === 'share') node.style.setProperty('--share', String(value));
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A button that does something. */
export function button(attributes, act) {
  const node = make('button', { type: 'button', ...attributes });
  node.addEventListener('click', act);
  return node;
}

const clampShare = (share) => Math.min(1, Math.max(0, share));

/** `0.943` is `94 %`; what is above nothing but below one percent says so. */
export function percent(share) {
  const clamped = clampShare(share);
  if (clamped > 0 && clamped < 0.005) return '<1\u00a0%';
  return `${Math.round(clamped * 100)}\u00a0%`;
}

/** How good a result is: the calibrated relevance as a percentage, or the bare cosine where nothing is calibrated. */
export function goodness(result) {
  if (Number.isFinite(result.relevance)) {
    return { text: percent(result.relevance), share: clampShare(result.relevance), name: 'search.relevance' };
  }
  if (Number.isFinite(result.score)) return { text: number(result.score, 3), share: null, name: 'search.cosine' };
  return { text: '–', share: null, name: 'search.relevance' };
}

/** A chip that leads to a question; a true link, so that it can be opened in another tab. */
const chip = (address, text, extra, attributes) =>
  make(
    'a',
    { class: 'chip', href: address, ...attributes },
    make('span', { dir: 'auto', text }),
    extra ? make('span', { class: 'chip-extra', text: extra }) : null,
  );

/** A chip that searches for its words. */
export const wordsChip = (words, extra) =>
  chip(`/?q=${encodeURIComponent(words)}`, words, extra, { 'data-words': words, 'data-testid': 'label-chip' });

/** A chip that searches for a class within it, with how many bear it. */
export function classChip(label, count) {
  const address = `/?q=${encodeURIComponent(label)}&label=${encodeURIComponent(label)}`;
  return chip(address, label, number(count), { 'data-address': address });
}

export const itemUrl = (id, part = '') => `/v1/items/${encodeURIComponent(id)}${part}`;

/** Where the search page shows pictures like an item. */
export const likeUrl = (id) => `/?like=${encodeURIComponent(id)}`;
