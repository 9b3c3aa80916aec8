// What may be wrong: labels and captions that the last evaluation doubts, each with what mends it and what calls it right.

import { itemUrl, make } from './dom.js';
import { request, requestJson } from './key.js';
import { forgetItem, openItem, thumbnail } from './admin-item.js';
import { action, announce, empty } from './admin-parts.js';
import { moment, number, t } from './words.js';

/** Entries of a kind that are shown before somebody asks for all. */
const FIRST = 12;

export async function reviewSection(place) {
  const { looked_at: lookedAt, entries } = await requestJson('/v1/admin/review');
  const fault = make('div');
  const look = action('look-again', async () => {
    const task = await requestJson('/v1/admin/evaluate', { method: 'POST' });
    document.dispatchEvent(new CustomEvent('task-begun', { detail: task }));
    announce(t('looking'));
  }, fault, { text: t(lookedAt ? 'look-again' : 'look') });
  const parts = [make('p', { class: 'soft', text: t(lookedAt ? 'review-hint' : 'review-never', { at: moment(lookedAt) }) })];
  if (lookedAt && entries.length === 0) parts.push(empty(t('review-none')));
  for (const kind of ['label', 'caption']) {
    const found = entries.filter((entry) => entry.kind === kind);
    if (found.length) parts.push(make('h3', { text: t(`review-${kind}s`, { n: found.length }) }), cards(found, () => reviewSection(place)));
  }
  place.replaceChildren(...parts, make('div', { class: 'row' }, look), fault);
}

function cards(entries, again) {
  const list = make('ul', { class: 'review', 'data-testid': `review-${entries[0].kind}s` });
  const show = (some) => list.append(...some.map((entry) => card(entry, again)));
  show(entries.slice(0, FIRST));
  if (entries.length <= FIRST) return list;
  const rest = make('button', { type: 'button', class: 'plain', text: t('review-rest', { n: entries.length - FIRST }), 'data-testid': 'review-rest' });
  rest.addEventListener('click', () => {
    show(entries.slice(FIRST));
    list.children[FIRST].querySelector('button').focus();
    rest.remove();
  });
  return make('div', {}, list, rest);
}

function card(entry, again) {
  const { item } = entry;
  const node = make('li', { 'data-testid': 'review-entry' });
  const fault = make('div');
  const picture = make('button', { type: 'button', class: 'review-picture', 'aria-label': t('review-open', { id: item.id }) });
  picture.addEventListener('click', () => openItem(item.id));
  thumbnail(item).then((image) => image && picture.append(image)).catch(() => {});
  node.append(picture, ...(entry.kind === 'label' ? ofLabel(entry) : ofCaption(entry)),
    make('div', { class: 'row' },
      action('review-mend', () => mend(node, entry, again), fault, { text: mending(entry) }),
      action('review-right', async () => {
        await request(`/v1/admin/review/${entry.id}/settle`, { method: 'POST' });
        announce(t('review-settled'));
        leave(node);
      }, fault)), fault);
  return node;
}

const said = (text) => make('bdi', { text });

function ofLabel({ item, suggested, lead }) {
  return [make('p', { class: 'review-doubt' }, make('b', {}, said(item.labels.join(', '))), ' → ', make('b', {}, said(suggested)), '?'),
    item.captions.length ? make('p', { class: 'review-words', dir: 'auto', text: item.captions[0] }) : null,
    make('p', { class: 'soft', text: t('review-lead', { n: number(lead, 2) }) })].filter(Boolean);
}

function ofCaption({ item, caption, distance }) {
  return [make('p', { class: 'review-words', dir: 'auto', text: caption }), make('p', { class: 'soft' }, said(item.labels.join(', '))),
    make('p', { class: 'soft', text: t('review-distance', { n: number(distance, 2) }) })];
}

/** The change that an entry proposes: an item of one class is of another, of several it gets one more; a caption goes. */
function change({ kind, item, suggested, caption }) {
  if (kind === 'caption') return { captions: item.captions.filter((text) => text !== caption) };
  return { labels: item.labels.length === 1 ? [suggested] : [...item.labels, suggested] };
}

function mending({ kind, item, suggested }) {
  if (kind === 'caption') return t('review-remove');
  return t(item.labels.length === 1 ? 'review-is' : 'review-is-also', { label: suggested });
}

const patch = (id, json, etag) => request(itemUrl(id), { method: 'PATCH', json, headers: { 'If-Match': etag } });

/** Changes the item, if it is still as it is shown, and offers the way back. */
async function mend(node, entry, again) {
  const { item, etag } = entry;
  const changed = await patch(item.id, change(entry), etag);
  forgetItem(item.id);
  const done = t(entry.kind === 'label' ? 'review-now' : 'review-removed', { label: entry.suggested, id: item.id });
  const fault = make('div');
  const undo = action('undo', async () => {
    await patch(item.id, { labels: item.labels, captions: item.captions }, changed.headers.get('etag'));
    forgetItem(item.id);
    announce(t('undone'));
    await again();
  }, fault);
  node.replaceChildren(make('p', { dir: 'auto', text: done }), undo, fault);
  announce(done);
  undo.focus();
}

/** What is settled goes; the reader is at the next one. */
function leave(node) {
  const next = node.nextElementSibling ?? node.previousElementSibling;
  node.remove();
  next?.querySelector('.row button, button')?.focus();
}
