// What may be wrong: labels and captions that the last evaluation doubts, each with what mends it and what calls it right.

import { itemUrl, make } from '../shared/dom.js';
import { request, requestJson } from '../shared/http.js';
import { forgetItem, openItem, thumbnail } from './item.js';
import { action, announce, empty } from './components.js';
import { moment, number, t } from '../shared/i18n.js';

/** Entries of a kind that are shown before somebody asks for all. */
const FIRST = 12;

/** What is shown; entries of one item share what is known of it. */
let entries = [];
let again = () => {};

export async function reviewSection(place) {
  const review = await requestJson('/v1/admin/review');
  ({ entries } = review);
  again = async () => {
    await reviewSection(place);
    place.querySelector('[data-testid=look-again]').focus();
  };
  const { looked_at: lookedAt } = review;
  const fault = make('div');
  const look = action(
    'admin.look-again',
    async () => {
      const task = await requestJson('/v1/admin/evaluate', { method: 'POST' });
      document.dispatchEvent(new CustomEvent('task-begun', { detail: task }));
      announce(t('admin.looking'));
      const { textContent: said } = look;
      look.textContent = t('admin.looking');
      // It works until its task is over; if that ends well, all of this is drawn anew.
      await new Promise((resolve) => {
        const over = ({ detail }) => {
          if (detail.id !== task.id) return;
          document.removeEventListener('task-ended', over);
          resolve();
        };
        document.addEventListener('task-ended', over);
      });
      look.textContent = said;
    },
    fault,
    { text: t(lookedAt ? 'admin.look-again' : 'admin.look') },
  );
  const parts = [
    make('p', {
      class: 'soft',
      text: t(lookedAt ? 'admin.review-hint' : 'admin.review-never', { at: moment(lookedAt) }),
    }),
  ];
  if (lookedAt && entries.length === 0) parts.push(empty(t('admin.review-none')));
  for (const kind of ['label', 'caption']) {
    const found = entries.filter((entry) => entry.kind === kind);
    if (found.length) parts.push(make('h3', { text: t(`admin.review-${kind}s`, { n: found.length }) }), cards(found));
  }
  place.replaceChildren(...parts, make('div', { class: 'row' }, look), fault);
}

function cards(found) {
  const list = make('ul', { class: 'review', 'data-testid': `review-${found[0].kind}s` });
  list.append(...found.slice(0, FIRST).map(card));
  if (found.length <= FIRST) return list;
  const rest = make('button', {
    type: 'button',
    class: 'plain',
    text: t('admin.review-rest', { n: found.length - FIRST }),
    'data-testid': 'review-rest',
  });
  rest.addEventListener('click', () => {
    const shown = found.slice(FIRST).map(card);
    list.append(...shown);
    rest.remove();
    shown[0].querySelector('.row button').focus();
  });
  return make('div', {}, list, rest);
}

function card(entry) {
  const { item } = entry;
  const node = make('li', { 'data-testid': 'review-entry' });
  const fault = make('div');
  const picture = make('button', {
    type: 'button',
    class: 'review-picture',
    'aria-label': t('admin.review-open', { id: item.id }),
  });
  picture.addEventListener('click', () => openItem(item.id));
  thumbnail(item)
    .then((image) => image && picture.append(image))
    .catch(() => {});
  const name = item.captions[0] ?? item.id;
  const mend = () =>
    change(
      entry,
      proposed(entry),
      t(entry.kind === 'label' ? 'admin.review-now' : 'admin.review-removed', { label: entry.suggested, name }),
    );
  const buttons = make(
    'div',
    { class: 'row' },
    onlyCaption(entry)
      ? null
      : action(mendingKey(entry), () => settled(node, entry, mend), fault, {
          text: t(mendingKey(entry), { label: entry.suggested }),
          'data-testid': 'review-mend',
        }),
    action('admin.review-right', () => settled(node, entry, () => callRight(entry)), fault),
  );
  node.append(picture, ...(entry.kind === 'label' ? ofLabel(entry) : ofCaption(entry)), buttons, fault);
  return node;
}

const said = (text) => make('bdi', { text });

function ofLabel({ item, suggested, lead }) {
  return [
    make(
      'p',
      { class: 'review-doubt' },
      make('b', {}, said(item.labels.join(', '))),
      ' → ',
      make('b', {}, said(suggested)),
      '?',
    ),
    item.captions.length ? make('p', { class: 'review-words', dir: 'auto', text: item.captions[0] }) : null,
    make('p', { class: 'soft', text: t('admin.review-lead', { n: number(lead, 2) }) }),
  ].filter(Boolean);
}

function ofCaption(entry) {
  const { item, caption, distance } = entry;
  return [
    make('p', { class: 'review-words', dir: 'auto', text: caption }),
    make('p', { class: 'soft' }, said(item.labels.join(', '))),
    make('p', { class: 'soft', text: t('admin.review-distance', { n: number(distance, 2) }) }),
    onlyCaption(entry) ? make('p', { class: 'soft', text: t('admin.review-only') }) : null,
  ].filter(Boolean);
}

/** Without any caption nothing is learned from a picture: its last one is not to be lost by one click. */
const onlyCaption = ({ kind, item }) => kind === 'caption' && item.captions.length < 2;

/** The change that an entry proposes: an item of one class is of another, of several it gets one more; a caption goes. */
function proposed({ kind, item, suggested, caption }) {
  if (kind === 'caption') return { captions: item.captions.filter((text) => text !== caption) };
  return { labels: item.labels.length === 1 ? [suggested] : [...item.labels, suggested] };
}

function mendingKey({ kind, item }) {
  if (kind === 'caption') return 'admin.review-remove';
  return item.labels.length === 1 ? 'admin.review-is' : 'admin.review-is-also';
}

/** Does what settles an entry and offers the way back, which `act` gives with what was done: [text, undo]. */
async function settled(node, entry, act) {
  let done;
  let undo;
  try {
    [done, undo] = await act();
  } catch (error) {
    if (error.status !== 412 && error.status !== 404) throw error;
    // Somebody else was here first.
    announce(t('admin.review-changed'));
    await again();
    return;
  }
  const fault = make('div');
  const back = action(
    'admin.undo',
    async () => {
      await undo();
      announce(t('admin.undone'));
      const anew = card(entry);
      node.replaceWith(anew);
      anew.querySelector('.row button').focus();
    },
    fault,
  );
  node.replaceChildren(
    node.firstElementChild,
    make('p', { dir: 'auto', text: done }),
    make('div', { class: 'row' }, back),
    fault,
  );
  announce(done);
  back.focus();
}

async function callRight({ id }) {
  const address = `/v1/admin/review/${id}/settle`;
  await request(address, { method: 'POST' });
  return [t('admin.review-settled'), () => request(address, { method: 'DELETE' })];
}

/** Changes the item, if it is still as it is shown. */
async function change(entry, to, done) {
  const {
    item: { labels, captions },
  } = entry;
  await patch(entry, to);
  // Back to what it was, of what was changed here.
  return [done, () => patch(entry, to.labels ? { labels } : { captions })];
}

async function patch({ item: { id }, etag }, json) {
  const answer = await request(itemUrl(id), { method: 'PATCH', json, headers: { 'If-Match': etag } });
  const item = await answer.json();
  forgetItem(id);
  for (const entry of entries)
    if (entry.item.id === id) Object.assign(entry, { item, etag: answer.headers.get('etag') });
}
