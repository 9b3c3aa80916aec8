// @ts-check
// The terms of a query that is more than a text or a picture: a chip each, with its weight.

/** @import { Term } from './url-state.js' */
/** @typedef {(terms: Term[]) => void} OnChange */

import { showImage } from '../shared/auth-image.js';
import { button, byId, itemUrl, make } from '../shared/dom.js';
import { formatNumber, t } from '../shared/i18n.js';
import { cachedPicture } from './uploaded-pictures.js';

/** Weight at the end of the slider. The URL may hold larger ones, which then are the end. */
const SLIDER_MAX = 2;

/**
 * Draws a chip for each term.
 *
 * @param {Term[]} terms
 * @param {OnChange} onChange Called after a weight, a sign or the number of terms has changed.
 */
export function drawTerms(terms, onChange) {
  const list = byId('term-chips');
  const focused = focusedPart(list);
  list.replaceChildren(...terms.map((term, index) => termChip(term, index, terms, onChange)));
  byId('terms').hidden = terms.length === 0;
  if (!focused) return;
  const successor = list.children[focused.index]?.querySelector(`[data-part=${focused.part}]`);
  (successor instanceof HTMLElement ? successor : byId('query')).focus();
}

/**
 * The control that has the focus: a change of one term draws all of them again.
 *
 * @param {HTMLElement} list
 */
function focusedPart(list) {
  const active = document.activeElement;
  const item = active?.closest('#term-chips li');
  if (!item || !(active instanceof HTMLElement)) return null;
  return { index: [...list.children].indexOf(item), part: active.dataset.part };
}

/**
 * @param {Term} term
 * @param {number} index
 * @param {Term[]} terms
 * @param {OnChange} onChange
 */
function termChip(term, index, terms, onChange) {
  const { kind, value, weight } = term;
  const name = kind === 'text' ? `“${value}”` : kind === 'item' ? value : t('search.a-picture');
  /** @param {number} changed */
  const setWeight = (changed) =>
    onChange(terms.map((other, at) => (at === index ? { ...other, weight: changed } : other)));
  const output = make('output', { class: 'term-weight', text: formatWeight(weight) });
  const max = Math.max(SLIDER_MAX, Math.abs(weight));
  const slider = make('input', {
    type: 'range',
    min: -max,
    max,
    step: 0.1,
    value: weight,
    'data-part': 'weight',
    'aria-label': t('search.weight-of', { name }),
    'aria-valuetext': formatWeight(weight),
    'data-testid': 'term-weight',
  });
  slider.addEventListener('input', () => {
    output.textContent = formatWeight(slider.valueAsNumber);
    slider.setAttribute('aria-valuetext', output.textContent);
  });
  slider.addEventListener('change', () => setWeight(slider.valueAsNumber));
  const negate = button(
    {
      class: 'term-button',
      'aria-pressed': String(weight < 0),
      'aria-label': t('search.away-from', { name }),
      text: '−',
      title: t('search.away-from', { name }),
      'data-part': 'sign',
      'data-testid': 'term-minus',
    },
    () => setWeight(-weight || -1),
  );
  const remove = button(
    {
      class: 'term-button',
      'aria-label': t('search.remove-term', { name }),
      text: '×',
      title: t('search.remove-term', { name }),
      'data-part': 'remove',
      'data-testid': 'term-remove',
    },
    () => onChange(terms.filter((_, at) => at !== index)),
  );
  return make(
    'li',
    { class: weight < 0 ? 'term away' : 'term', 'data-testid': 'term' },
    kind === 'text' ? make('span', { class: 'term-name', dir: 'auto', text: value }) : pictureOf(term, name),
    make('div', { class: 'term-tools' }, negate, slider, output, remove),
  );
}

/**
 * @param {Term} term
 * @param {string} name
 */
function pictureOf({ kind, value }, name) {
  const image = make('img', { alt: '' });
  const label = make('span', { class: 'term-name', dir: 'auto', text: name });
  if (kind === 'item') showImage(image, itemUrl(value, '/thumbnail?w=320'));
  else {
    cachedPicture(value).then((picture) => {
      if (!picture) return;
      image.src = picture.url;
      label.textContent = picture.name || name;
    });
  }
  return make('span', { class: 'term-picture' }, image, label);
}

/** @param {number} weight */
const formatWeight = (weight) => (weight < 0 ? `−${formatNumber(-weight, 1)}` : formatNumber(weight, 1));
