// Ways in for someone who does not know what is here: classes, captions, and whatever chance brings.

import { itemsOf, labels as fetchLabels } from './api.js';
import { byId, classChip, make, wordsChip } from '../shared/dom.js';

const CAPTIONS = 3;
const CLASSES = 8;
const LONGEST = 60;
const A_FEW = 12;

let labels = [];
let captions = [];

const oneOf = (list) => list[Math.floor(Math.random() * list.length)];

function drawInto(list, captionsOnly) {
  const chips = captionsOnly
    ? captions.map((words) => make('li', { 'data-testid': 'example-caption' }, wordsChip(words)))
    : labels.map(({ label, count }) => make('li', { 'data-testid': 'example' }, classChip(label, count)));
  list.replaceChildren(...chips);
}

/** Draws the examples. They are a courtesy: without them the page searches just as well, and nobody is asked for a key for them. */
export function drawExamples() {
  // Who asks while they are on their way gets the same ones.
  drawing ??= draw().finally(() => {
    drawing = null;
  });
  return drawing;
}

let drawing = null;

async function draw() {
  ({ labels } = await fetchLabels({ quiet: true }));
  drawInto(byId('example-labels'), false);
  byId('examples').hidden = labels.length === 0;
  byId('surprise').hidden = labels.length === 0;
  const picked = [...labels].sort(() => Math.random() - 0.5).slice(0, CAPTIONS);
  const found = await Promise.all(
    picked.map(async ({ label }) => {
      const { items } = await itemsOf(label, A_FEW, { quiet: true });
      const said = items.flatMap((item) => item.captions).filter((text) => text.length > 3 && text.length <= LONGEST);
      return said.length ? oneOf(said) : null;
    }),
  );
  captions = [...new Set(found.filter(Boolean))];
  drawInto(byId('example-captions'), true);
  document.querySelectorAll('.example-chips').forEach(fillChips);
}

/** Chips for an answer that is none: captions of this collection and its classes, as soon as they are known. */
export function exampleChips() {
  const list = make('ul', { class: 'choices example-chips' });
  fillChips(list);
  return list;
}

function fillChips(list) {
  const words = [...captions, ...labels.slice(0, CLASSES).map(({ label }) => label)];
  list.replaceChildren(...words.map((text) => make('li', {}, wordsChip(text))));
}

/** The id of some picture, or null. */
export async function surprise() {
  if (!labels.length) ({ labels } = await fetchLabels());
  if (!labels.length) return null;
  const { items } = await itemsOf(oneOf(labels).label, 100);
  return items.length ? oneOf(items).id : null;
}
