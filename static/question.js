// What is being asked. Words and items stand in the address, so that they can be linked and reloaded; a picture from
// outside stands in the history entry by a key, and its bytes stay in memory.

import { likeUrl, wordsUrl } from './dom.js';

const KEPT_PICTURES = 8;

/** Pictures asked with since the page was opened, by key: {blob, name, url}. */
const pictures = new Map();

/** The question of the current history entry, or null at the start. `first` names the half that is answered first. */
export function question() {
  const parameters = new URLSearchParams(location.search);
  const words = (parameters.get('q') ?? '').trim();
  if (words) return { kind: 'words', words, first: 'pictures' };
  const id = parameters.get('like');
  if (id) return { kind: 'item', id, name: id, first: 'pictures' };
  const kept = pictures.get(history.state?.picture);
  return kept ? { kind: 'picture', ...kept, first: 'captions' } : null;
}

export const askWords = (words) => enter(words ? wordsUrl(words) : '/');
export const askItem = (id) => enter(likeUrl(id));

export function askPicture(file) {
  const key = newKey();
  const url = URL.createObjectURL(file);
  remember(pictures, key, { blob: file, name: file.name || 'pasted picture', url }, KEPT_PICTURES,
    (dropped) => URL.revokeObjectURL(dropped.url));
  enter('/', { picture: key });
}

/** Makes a history entry; asking the same thing again takes the place of the entry that asked it. */
function enter(url, state = {}) {
  const again = url === location.pathname + location.search && !state.picture && !history.state?.picture;
  history[again ? 'replaceState' : 'pushState']({ key: newKey(), ...state }, '', url);
}

/** Called once at the start: a reload keeps the history entry but not the picture that it was about. */
export const enterFirst = () => history.replaceState({ key: newKey() }, '', location.href);

let keys = 0;
// Entries of an earlier load of this page live on in the history, hence the time.
const newKey = () => `${Date.now()}-${(keys += 1)}`;

/** Keeps the youngest `most` values of a map. */
export function remember(map, key, value, most, forget = () => {}) {
  map.set(key, value);
  if (map.size <= most) return;
  const [oldest, dropped] = map.entries().next().value;
  map.delete(oldest);
  forget(dropped);
}
