// The terms of a question that is more than words or one picture: a chip each, with its weight.

import { button, byId, make } from '../shared/dom.js';
import { HEAVIEST } from './url-state.js';
import { show } from '../shared/auth-image.js';
import { itemUrl } from '../shared/dom.js';
import { kept } from './uploaded-pictures.js';
import { number, t } from '../shared/i18n.js';

/** Draws a chip for each term. `changed(terms)` hears of a weight that was moved, a sign that was turned, a term that was removed. */
export function drawTerms(terms, changed) {
  const list = byId('term-chips');
  const focused = focusOf(list);
  list.replaceChildren(...terms.map((term, place) => chip(term, place, terms, changed)));
  byId('terms').hidden = terms.length === 0;
  const back = focused && list.children[focused.place]?.querySelector(`[data-part=${focused.part}]`);
  (back ?? (focused ? byId('query') : null))?.focus();
}

/** Changing a term draws all of them anew; the reader stays where they were. */
function focusOf(list) {
  const held = document.activeElement?.closest?.('#term-chips li');
  return held ? { place: [...list.children].indexOf(held), part: document.activeElement.dataset.part } : null;
}

function chip(term, place, terms, changed) {
  const { kind, value, weight } = term;
  const name = kind === 'text' ? `“${value}”` : kind === 'item' ? value : t('search.a-picture');
  const put = (change) => changed(terms.map((other, at) => (at === place ? { ...other, ...change } : other)));
  const shown = make('output', { class: 'term-weight', text: signed(weight) });
  const slider = make('input', {
    type: 'range',
    min: -HEAVIEST,
    max: HEAVIEST,
    step: 0.1,
    value: weight,
    'data-part': 'weight',
    'aria-label': t('search.weight-of', { name }),
    'aria-valuetext': signed(weight),
    'data-testid': 'term-weight',
  });
  slider.addEventListener('input', () => {
    shown.textContent = signed(Number(slider.value));
    slider.setAttribute('aria-valuetext', shown.textContent);
  });
  slider.addEventListener('change', () => put({ weight: Number(slider.value) }));
  return make(
    'li',
    { class: weight < 0 ? 'term away' : 'term', 'data-testid': 'term' },
    kind === 'text' ? make('span', { class: 'term-name', dir: 'auto', text: value }) : pictureOf(term, name),
    make(
      'div',
      { class: 'term-tools' },
      button(
        {
          class: 'term-button',
          'aria-pressed': String(weight < 0),
          'aria-label': t('search.away-from', { name }),
          text: '−',
          title: t('search.away-from', { name }),
          'data-part': 'sign',
          'data-testid': 'term-minus',
        },
        () => put({ weight: -weight || -1 }),
      ),
      slider,
      shown,
      button(
        {
          class: 'term-button',
          'aria-label': t('search.remove-term', { name }),
          text: '×',
          title: t('search.remove-term', { name }),
          'data-part': 'remove',
          'data-testid': 'term-remove',
        },
        () => changed(terms.filter((_, at) => at !== place)),
      ),
    ),
  );
}

function pictureOf({ kind, value }, name) {
  const image = make('img', { alt: '' });
  const label = make('span', { class: 'term-name', dir: 'auto', text: name });
  if (kind === 'item') show(image, itemUrl(value, '/thumbnail?w=320'));
  else {
    kept(value).then((picture) => {
      if (!picture) return;
      image.src = picture.url;
      label.textContent = picture.name || name;
    });
  }
  return make('span', { class: 'term-picture' }, image, label);
}

const signed = (weight) => (weight < 0 ? `−${number(-weight, 1)}` : number(weight, 1));
