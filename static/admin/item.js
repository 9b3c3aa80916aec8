// An item, opened over the owner's page; and what is known of items, asked for once.

import { itemUrl, likeUrl, make } from '../shared/dom.js';
import { pictureUrl, requestJson } from '../shared/http.js';
import { failure } from './components.js';
import { t } from '../shared/i18n.js';

/** Items that are kept; a hover over a large map asks for many. */
const KEPT = 500;
const known = new Map();

export function item(id) {
  if (!known.has(id)) {
    if (known.size >= KEPT) known.delete(known.keys().next().value);
    const asked = requestJson(itemUrl(id));
    asked.catch(() => known.delete(id));
    known.set(id, asked);
  }
  return known.get(id);
}

/** Asks for an item anew, because it was changed. */
export const forgetItem = (id) => known.delete(id);

/** The picture of an item, as large as a thumbnail, or nothing if it has none. */
export async function thumbnail(shown) {
  if (!shown.thumbnail_url) return null;
  const picture = make('img', { alt: '', class: 'thumbnail' });
  await show(picture, shown.thumbnail_url);
  return picture;
}

async function show(picture, path) {
  picture.src = await pictureUrl(path);
  // A copy in memory is let go once it is drawn.
  if (picture.src.startsWith('blob:'))
    picture.addEventListener('load', () => URL.revokeObjectURL(picture.src), { once: true });
}

export async function openItem(id, from = document.activeElement) {
  const content = make('div', { class: 'item-content' }, make('h2', { id: 'item-title', text: id }));
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
    from?.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  try {
    const shown = await item(id);
    const [first, ...others] = shown.captions;
    content.querySelector('h2').textContent = first ?? id;
    if (shown.image_url) {
      const picture = make('img', { alt: first ?? id });
      content.prepend(make('div', { class: 'mat' }, picture));
      await show(picture, shown.image_url);
    }
    content.append(...others.map((text) => make('p', { dir: 'auto', text })));
    const facts = [
      ['Id', id],
      [t('admin.label'), shown.labels.join(', ')],
      [t('admin.source'), shown.source],
      [t('admin.unreadable-picture'), shown.image_error],
      ...Object.entries(shown.meta).map(([name, value]) => [
        name,
        typeof value === 'object' ? JSON.stringify(value) : String(value),
      ]),
    ];
    content.append(
      make(
        'dl',
        { class: 'facts' },
        ...facts
          .filter(([, value]) => value)
          .map(([name, value]) =>
            make('div', {}, make('dt', { text: name }), make('dd', { dir: 'auto', text: value })),
          ),
      ),
    );
    content.append(make('p', {}, make('a', { href: likeUrl(id), text: t('admin.similar') })));
  } catch (error) {
    content.append(failure(error));
  }
}
