// @ts-check
// Section "Review": labels and captions that the latest evaluation doubts. Each can be corrected or confirmed.

/** @import { Item, Review, ReviewEntry, Task } from 'api' */

import { itemUrl, make } from '../shared/dom.js';
import { RequestError, request, requestJson } from '../shared/http.js';
import { formatNumber, formatTime, t } from '../shared/i18n.js';
import { action, announce, emptyText } from './components.js';
import { forgetItem, openItem, thumbnail } from './item.js';

/** Entries per kind that are shown until the reader asks for all. */
const FIRST_ENTRIES = 12;

/**
 * The shown entries. Those of one item are updated together when it changes.
 *
 * @type {ReviewEntry[]}
 */
let entries = [];
let reload = async () => {};

/** @param {HTMLElement} place */
export async function reviewSection(place) {
  /** @type {Review} */
  const review = await requestJson('/v1/admin/review');
  ({ entries } = review);
  reload = async () => {
    await reviewSection(place);
    focusOn(place, '[data-testid=look-again]');
  };
  const { looked_at: evaluatedAt } = review;
  const errors = make('div');
  const evaluate = action('admin.look-again', runEvaluation, errors, {
    text: t(evaluatedAt ? 'admin.look-again' : 'admin.look'),
  });
  const hint = t(evaluatedAt ? 'admin.review-hint' : 'admin.review-never', { at: formatTime(evaluatedAt) });
  /** @type {HTMLElement[]} */
  const parts = [make('p', { class: 'soft', text: hint })];
  if (evaluatedAt && entries.length === 0) parts.push(emptyText(t('admin.review-none')));
  for (const kind of ['label', 'caption']) {
    const found = entries.filter((entry) => entry.kind === kind);
    if (found.length) parts.push(make('h3', { text: t(`admin.review-${kind}s`, { n: found.length }) }), cards(found));
  }
  place.replaceChildren(...parts, make('div', { class: 'row' }, evaluate), errors);
}

/**
 * Starts an evaluation and waits until it has ended. If it succeeds, the section is loaded again.
 *
 * @param {HTMLButtonElement} button
 */
async function runEvaluation(button) {
  /** @type {Task} */
  const task = await requestJson('/v1/admin/evaluate', { method: 'POST' });
  document.dispatchEvent(new CustomEvent('task-started', { detail: task }));
  announce(t('admin.looking'));
  const { textContent: text } = button;
  button.textContent = t('admin.looking');
  await new Promise((resolve) => {
    /** @param {CustomEvent<Task>} event */
    const onEnd = ({ detail }) => {
      if (detail.id !== task.id) return;
      document.removeEventListener('task-ended', onEnd);
      resolve(null);
    };
    document.addEventListener('task-ended', onEnd);
  });
  button.textContent = text;
}

/**
 * @param {Element} node
 * @param {string} selector
 */
function focusOn(node, selector) {
  const target = node.querySelector(selector);
  if (target instanceof HTMLElement) target.focus();
}

/** @param {ReviewEntry[]} found Entries of one kind. */
function cards(found) {
  const list = make('ul', { class: 'review', 'data-testid': `review-${found[0].kind}s` });
  list.append(...found.slice(0, FIRST_ENTRIES).map(card));
  if (found.length <= FIRST_ENTRIES) return list;
  const rest = make('button', {
    type: 'button',
    class: 'plain',
    text: t('admin.review-rest', { n: found.length - FIRST_ENTRIES }),
    'data-testid': 'review-rest',
  });
  rest.addEventListener('click', () => {
    const added = found.slice(FIRST_ENTRIES).map(card);
    list.append(...added);
    rest.remove();
    focusOn(added[0], '.row button');
  });
  return make('div', {}, list, rest);
}

/** @param {ReviewEntry} entry */
function card(entry) {
  const { item } = entry;
  const node = make('li', { 'data-testid': 'review-entry' });
  const errors = make('div');
  const picture = make('button', {
    type: 'button',
    class: 'review-picture',
    'aria-label': t('admin.review-open', { id: item.id }),
  });
  picture.addEventListener('click', () => openItem(item.id));
  thumbnail(item)
    .then((image) => image && picture.append(image))
    .catch(() => {});
  const correctButton = action(correctionKey(entry), () => resolveEntry(node, entry, () => correct(entry)), errors, {
    text: correctionText(entry),
    'data-testid': 'review-mend',
  });
  const confirmButton = action('admin.review-right', () => resolveEntry(node, entry, () => confirm(entry)), errors);
  node.append(
    picture,
    ...(entry.kind === 'label' ? labelDoubt(entry) : captionDoubt(entry)),
    make('div', { class: 'row' }, isOnlyCaption(entry) ? null : correctButton, confirmButton),
    errors,
  );
  return node;
}

/** @param {string} text */
const isolated = (text) => make('bdi', { text });

/** @param {Extract<ReviewEntry, { kind: 'label' }>} entry */
function labelDoubt({ item, suggested, lead }) {
  const parts = [
    make(
      'p',
      { class: 'review-doubt' },
      make('b', {}, isolated(item.labels.join(', '))),
      ' → ',
      make('b', {}, isolated(suggested)),
      '?',
    ),
  ];
  if (item.captions.length) parts.push(make('p', { class: 'review-words', dir: 'auto', text: item.captions[0] }));
  parts.push(make('p', { class: 'soft', text: t('admin.review-lead', { n: formatNumber(lead, 2) }) }));
  return parts;
}

/** @param {Extract<ReviewEntry, { kind: 'caption' }>} entry */
function captionDoubt(entry) {
  const { item, caption, distance } = entry;
  const parts = [
    make('p', { class: 'review-words', dir: 'auto', text: caption }),
    make('p', { class: 'soft' }, isolated(item.labels.join(', '))),
    make('p', { class: 'soft', text: t('admin.review-distance', { n: formatNumber(distance, 2) }) }),
  ];
  if (isOnlyCaption(entry)) parts.push(make('p', { class: 'soft', text: t('admin.review-only') }));
  return parts;
}

/**
 * Whether a doubted caption is the only one of its item. It cannot be removed with one click, as an image without
 * captions does not take part in training.
 *
 * @param {ReviewEntry} entry
 */
const isOnlyCaption = ({ kind, item }) => kind === 'caption' && item.captions.length < 2;

/** @param {ReviewEntry} entry */
function correctionKey({ kind, item }) {
  if (kind === 'caption') return 'admin.review-remove';
  return item.labels.length === 1 ? 'admin.review-is' : 'admin.review-is-also';
}

/** @param {ReviewEntry} entry */
const correctionText = (entry) => t(correctionKey(entry), entry.kind === 'label' ? { label: entry.suggested } : {});

/**
 * Resolves an entry with `act`, which returns a text that says what was done and a function that takes it back.
 *
 * @param {HTMLElement} node
 * @param {ReviewEntry} entry
 * @param {() => Promise<[string, () => Promise<unknown>]>} act
 */
async function resolveEntry(node, entry, act) {
  let text;
  let undo;
  try {
    [text, undo] = await act();
  } catch (error) {
    if (!(error instanceof RequestError) || (error.status !== 412 && error.status !== 404)) throw error;
    // The item was changed or deleted elsewhere.
    announce(t('admin.review-changed'));
    await reload();
    return;
  }
  const errors = make('div');
  const undoButton = action(
    'admin.undo',
    async () => {
      await undo();
      announce(t('admin.undone'));
      const again = card(entry);
      node.replaceWith(again);
      focusOn(again, '.row button');
    },
    errors,
  );
  node.replaceChildren(
    ...[...node.children].slice(0, 1),
    make('p', { dir: 'auto', text }),
    make('div', { class: 'row' }, undoButton),
    errors,
  );
  announce(text);
  undoButton.focus();
}

/**
 * Marks a doubted label or caption as right.
 *
 * @param {ReviewEntry} entry
 * @returns {Promise<[string, () => Promise<unknown>]>}
 */
async function confirm({ id }) {
  const path = `/v1/admin/review/${id}/settle`;
  await request(path, { method: 'POST' });
  return [t('admin.review-settled'), () => request(path, { method: 'DELETE' })];
}

/**
 * Changes the item as proposed: the suggested label replaces a single one and joins several, a caption is removed.
 *
 * @param {ReviewEntry} entry
 * @returns {Promise<[string, () => Promise<unknown>]>}
 */
async function correct(entry) {
  const { labels, captions, id } = entry.item;
  const name = captions[0] ?? id;
  if (entry.kind === 'label') {
    const { suggested } = entry;
    await patch(entry, { labels: labels.length === 1 ? [suggested] : [...labels, suggested] });
    return [t('admin.review-now', { label: suggested, name }), () => patch(entry, { labels })];
  }
  const { caption } = entry;
  await patch(entry, { captions: captions.filter((text) => text !== caption) });
  return [t('admin.review-removed', { name }), () => patch(entry, { captions })];
}

/**
 * Changes an item, unless it has changed since it was loaded.
 *
 * @param {ReviewEntry} entry
 * @param {{ labels?: string[], captions?: string[] }} json
 */
async function patch({ item: { id }, etag }, json) {
  const response = await request(itemUrl(id), { method: 'PATCH', json, headers: { 'If-Match': etag } });
  /** @type {Item} */
  const item = await response.json();
  forgetItem(id);
  for (const entry of entries) {
    if (entry.item.id === id) Object.assign(entry, { item, etag: response.headers.get('etag') });
  }
}
