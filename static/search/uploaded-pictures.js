// @ts-check
// Pictures that the reader searched with. A URL names one by a token that only this browser knows, for a day.

/** @typedef {{ blob: Blob, name: string, url: string }} Picture */
/** @typedef {{ token: string, blob: Blob, name: string, at: number }} StoredPicture */

const STORE = 'pictures';
const MAX_PICTURES = 8;
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Pictures of this page, by token.
 *
 * @type {Map<string, Picture>}
 */
const memory = new Map();

/**
 * Stores a picture and returns its token.
 *
 * @param {File} file
 */
export async function storePicture(file) {
  const token = crypto.getRandomValues(new Uint32Array(2)).join('-');
  const stored = { token, blob: file, name: file.name || '', at: Date.now() };
  cache(stored);
  // If the browser stores nothing, the picture lasts as long as the page.
  await inStore('readwrite', (store) => store.put(stored))
    .then(removeOld)
    .catch(() => {});
  return token;
}

/**
 * The picture of a token; null if it is not stored here any more.
 *
 * @param {string} token
 */
export async function cachedPicture(token) {
  const picture = memory.get(token);
  if (picture) return picture;
  const stored = await inStore('readonly', (store) => store.get(token)).catch(() => null);
  return stored && Date.now() - stored.at < DAY_MS ? cache(stored) : null;
}

/**
 * @param {StoredPicture} stored
 * @returns {Picture}
 */
function cache({ token, blob, name }) {
  const picture = { blob, name, url: URL.createObjectURL(blob) };
  memory.set(token, picture);
  if (memory.size > MAX_PICTURES) {
    const [[oldest, { url }]] = memory;
    memory.delete(oldest);
    URL.revokeObjectURL(url);
  }
  return picture;
}

/** Removes pictures that are older than a day, and all but the newest few. */
async function removeOld() {
  /** @type {StoredPicture[]} */
  const all = await inStore('readonly', (store) => store.getAll());
  all.sort((a, b) => b.at - a.at);
  const old = all.filter(({ at }, index) => index >= MAX_PICTURES || Date.now() - at >= DAY_MS);
  for (const { token } of old) await inStore('readwrite', (store) => store.delete(token));
}

/** @type {Promise<IDBDatabase> | null} */
let opening = null;

function database() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('diptych', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'token' });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

/**
 * Runs one request against the store and returns its result.
 *
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T>}
 */
async function inStore(mode, act) {
  const store = (await database()).transaction(STORE, mode).objectStore(STORE);
  return new Promise((resolve, reject) => {
    const request = act(store);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
