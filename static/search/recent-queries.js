// What was asked before, on this device alone. A question with a picture of the reader's own is not kept: the picture is not.

import { byId, make } from '../shared/dom.js';
import { address } from './url-state.js';

const STORE = 'diptych-asked';
const KEPT = 12;

function read() {
  try {
    const found = JSON.parse(localStorage.getItem(STORE) ?? '[]');
    return Array.isArray(found) ? found.filter(({ url, name }) => typeof name === 'string' && /^\/\?/.test(url)) : [];
  } catch {
    return [];
  }
}

/** Notes a question under its name. */
export function note(asked, name) {
  if (!asked.terms.length || asked.terms.some(({ kind }) => kind === 'picture')) return;
  const url = address({ terms: asked.terms, filter: asked.filter });
  const others = read().filter((other) => other.url !== url);
  try {
    localStorage.setItem(STORE, JSON.stringify([{ url, name }, ...others].slice(0, KEPT)));
  } catch {
    /* A browser that keeps nothing searches just as well. */
  }
  draw();
}

export function clear() {
  try {
    localStorage.removeItem(STORE);
  } catch {
    /* as above */
  }
  draw();
}

export function draw() {
  const all = read();
  byId('recent').hidden = !all.length;
  byId('recent-list').replaceChildren(
    ...all.map(({ url, name }) =>
      make('li', {}, make('a', { href: url, 'data-address': url, dir: 'auto', text: name, 'data-testid': 'recent' })),
    ),
  );
}
