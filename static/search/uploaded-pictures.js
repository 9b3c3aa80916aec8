// Pictures that were asked with. An address names one by a token; this browser alone knows it, and for a day.

const STORE = 'pictures';
const KEPT = 8;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Those of this page: token → { blob, name, url }. */
const memory = new Map();

/** Keeps a picture and gives its token. */
export async function keep(file) {
  const token = crypto.getRandomValues(new Uint32Array(2)).join('-');
  const kept = { token, blob: file, name: file.name || '', at: Date.now() };
  remember(kept);
  // Without the browser's store the picture lasts as long as the page.
  await inStore('readwrite', (store) => store.put(kept))
    .then(sweep)
    .catch(() => {});
  return token;
}

/** The picture of a token: { blob, name, url }, or null if it is not known here any more. */
export async function kept(token) {
  if (memory.has(token)) return memory.get(token);
  const found = await inStore('readonly', (store) => store.get(token)).catch(() => null);
  return found && Date.now() - found.at < DAY_MS ? remember(found) : null;
}

function remember({ token, blob, name }) {
  const picture = { blob, name, url: URL.createObjectURL(blob) };
  memory.set(token, picture);
  if (memory.size > KEPT) {
    const [oldest, dropped] = memory.entries().next().value;
    memory.delete(oldest);
    URL.revokeObjectURL(dropped.url);
  }
  return picture;
}

/** Forgets what is older than a day, and all but the youngest few. */
async function sweep() {
  const all = await inStore('readonly', (store) => store.getAll());
  all.sort((a, b) => b.at - a.at);
  const old = all.filter(({ at }, place) => place >= KEPT || Date.now() - at >= DAY_MS);
  for (const { token } of old) await inStore('readwrite', (store) => store.delete(token));
}

let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const opening = indexedDB.open('diptych', 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: 'token' });
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  return opened;
}

async function inStore(mode, act) {
  const store = (await database()).transaction(STORE, mode).objectStore(STORE);
  return new Promise((resolve, reject) => {
    const asking = act(store);
    asking.onsuccess = () => resolve(asking.result);
    asking.onerror = () => reject(asking.error);
  });
}
