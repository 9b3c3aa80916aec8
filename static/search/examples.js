// @ts-check
// Suggestions for readers who do not know the collection: labels, captions, and a random picture.

/** @import { Label } from 'api' */

import { byId, make } from '../shared/dom.js';
import { fetchItems, fetchLabels } from './api.js';
import { labelChip, textChip } from './chips.js';

const MAX_CAPTIONS = 3;
const MAX_LABELS = 8;
const MAX_CAPTION_LENGTH = 60;
const ITEMS_PER_LABEL = 12;

/** @type {Label[]} */
let labels = [];
/** @type {string[]} */
let captions = [];
/** @type {Promise<void> | null} */
let drawing = null;

/**
 * @template T
 * @param {T[]} list Not empty.
 */
const randomOf = (list) => list[Math.floor(Math.random() * list.length)];

/** Draws the suggestions. The page works without them, so nobody is asked for a key for them. */
export function drawExamples() {
  drawing ??= draw().finally(() => {
    drawing = null;
  });
  return drawing;
}

async function draw() {
  ({ labels } = await fetchLabels({ quiet: true }));
  byId('example-labels').replaceChildren(
    ...labels.map(({ label, count }) => make('li', { 'data-testid': 'example' }, labelChip(label, count))),
  );
  byId('examples').hidden = labels.length === 0;
  byId('surprise').hidden = labels.length === 0;
  const picked = [...labels].sort(() => Math.random() - 0.5).slice(0, MAX_CAPTIONS);
  const found = await Promise.all(picked.map(({ label }) => randomCaption(label)));
  captions = [...new Set(found.filter((caption) => caption !== null))];
  byId('example-captions').replaceChildren(
    ...captions.map((caption) => make('li', { 'data-testid': 'example-caption' }, textChip(caption))),
  );
  document.querySelectorAll('.example-chips').forEach(fillChips);
}

/**
 * A caption of some item with a label; null if none is short enough.
 *
 * @param {string} label
 */
async function randomCaption(label) {
  const { items } = await fetchItems(label, ITEMS_PER_LABEL, { quiet: true });
  const short = items
    .flatMap((item) => item.captions)
    .filter((text) => text.length > 3 && text.length <= MAX_CAPTION_LENGTH);
  return short.length ? randomOf(short) : null;
}

/** Chips for a notice: captions and labels of the collection, filled in as soon as they are known. */
export function exampleChips() {
  const list = make('ul', { class: 'choices example-chips' });
  fillChips(list);
  return list;
}

/** @param {Element} list */
function fillChips(list) {
  const texts = [...captions, ...labels.slice(0, MAX_LABELS).map(({ label }) => label)];
  list.replaceChildren(...texts.map((text) => make('li', {}, textChip(text))));
}

/** The id of a random item with an image; null if there is none. */
export async function randomItem() {
  if (!labels.length) ({ labels } = await fetchLabels());
  if (!labels.length) return null;
  const { items } = await fetchItems(randomOf(labels).label, 100);
  return items.length ? randomOf(items).id : null;
}
