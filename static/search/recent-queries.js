// @ts-check
// Recent queries, stored on this device only. Queries with a picture of the reader's own are left out, as the picture
// expires.

/** @import { Query } from './url-state.js' */
/** @typedef {{ url: string, name: string }} Recent */

import { byId, make } from '../shared/dom.js';
import { urlOf } from './url-state.js';

const STORE = 'diptych-asked';
const MAX_QUERIES = 12;

/** @returns {Recent[]} */
function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORE) ?? '[]');
    if (!Array.isArray(stored)) return [];
    return stored.filter(({ url, name }) => typeof name === 'string' && /^\/\?/.test(url));
  } catch {
    return [];
  }
}

/**
 * Adds a query under a name.
 *
 * @param {Query} query
 * @param {string} name
 */
export function addRecent({ terms, filter }, name) {
  if (!terms.length || terms.some(({ kind }) => kind === 'picture')) return;
  const url = urlOf({ terms, filter });
  const others = read().filter((other) => other.url !== url);
  try {
    localStorage.setItem(STORE, JSON.stringify([{ url, name }, ...others].slice(0, MAX_QUERIES)));
  } catch {
    /* A browser that stores nothing can search as well. */
  }
  drawRecent();
}

export function clearRecent() {
  try {
    localStorage.removeItem(STORE);
  } catch {
    /* There is nothing stored. */
  }
  drawRecent();
}

export function drawRecent() {
  const recent = read();
  byId('recent').hidden = !recent.length;
  byId('recent-list').replaceChildren(
    ...recent.map(({ url, name }) =>
      make('li', {}, make('a', { href: url, 'data-address': url, dir: 'auto', text: name, 'data-testid': 'recent' })),
    ),
  );
}
