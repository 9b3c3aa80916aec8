// @ts-check
// The dialog of an item, and the cache of items that the sections share.

/** @import { Item } from 'api' */

import { imageUrl } from '../shared/auth-image.js';
import { itemUrl, make } from '../shared/dom.js';
import { requestJson } from '../shared/http.js';
import { t } from '../shared/i18n.js';
import { errorBox } from './components.js';

/** Pointing at a large map fetches many items. */
const CACHED_ITEMS = 500;

/** @type {Map<string, Promise<Item>>} */
const cached = new Map();

/**
 * @param {string} id
 * @returns {Promise<Item>}
 */
export function fetchItem(id) {
  const known = cached.get(id);
  if (known) return known;
  const [oldest] = cached.keys();
  if (cached.size >= CACHED_ITEMS) cached.delete(oldest);
  const item = requestJson(itemUrl(id));
  item.catch(() => cached.delete(id));
  cached.set(id, item);
  return item;
}

/**
 * Removes an item that has changed from the cache.
 *
 * @param {string} id
 */
export const forgetItem = (id) => cached.delete(id);

/**
 * The thumbnail of an item; null if it has none.
 *
 * @param {Item} item
 */
export async function thumbnail({ thumbnail_url: url }) {
  if (!url) return null;
  const image = make('img', { alt: '', class: 'thumbnail' });
  await load(image, url);
  return image;
}

/**
 * @param {HTMLImageElement} image
 * @param {string} path
 */
async function load(image, path) {
  image.src = await imageUrl(path);
  if (!image.src.startsWith('blob:')) return;
  image.addEventListener('load', () => URL.revokeObjectURL(image.src), { once: true });
}

/**
 * Opens the dialog of an item.
 *
 * @param {string} id
 * @param {Element | null} [opener] Gets the focus when the dialog is closed.
 */
export async function openItem(id, opener = document.activeElement) {
  const title = make('h2', { id: 'item-title', text: id });
  const content = make('div', { class: 'item-content' }, title);
  const close = make('button', {
    type: 'button',
    class: 'plain',
    text: t('shared.close'),
    'data-testid': 'item-close',
  });
  const dialog = make(
    'dialog',
    { class: 'key-dialog item-card', 'aria-labelledby': 'item-title', 'data-testid': 'item-card' },
    content,
    close,
  );
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener('close', () => {
    dialog.remove();
    if (opener instanceof HTMLElement) opener.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  try {
    await draw(await fetchItem(id), title, content);
  } catch (error) {
    content.append(errorBox(error));
  }
}

/**
 * @param {Item} item
 * @param {HTMLElement} title
 * @param {HTMLElement} content
 */
async function draw(item, title, content) {
  const { id, captions, labels, source, meta, image_url: url, image_error: imageError } = item;
  const [caption, ...others] = captions;
  title.textContent = caption ?? id;
  if (url) {
    const image = make('img', { alt: caption ?? id });
    content.prepend(make('div', { class: 'mat' }, image));
    await load(image, url);
  }
  content.append(...others.map((text) => make('p', { dir: 'auto', text })));
  /** @type {[string, unknown][]} */
  const facts = [
    [t('admin.id'), id],
    [t('admin.label'), labels.join(', ')],
    [t('admin.source'), source],
    [t('admin.unreadable-picture'), imageError],
    ...Object.entries(meta),
  ];
  content.append(
    make(
      'dl',
      { class: 'facts' },
      ...facts
        .filter(([, value]) => value !== null && value !== undefined && value !== '')
        .map(([name, value]) => {
          const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
          return make('div', {}, make('dt', { text: name }), make('dd', { dir: 'auto', text }));
        }),
    ),
    make('p', {}, make('a', { href: `/?like=${encodeURIComponent(id)}`, text: t('admin.similar') })),
  );
}
