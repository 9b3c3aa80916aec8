// @ts-check
// One result: a card with an image, or a line with a caption.

/** @import { Hit, PredictedLabel } from 'api' */

import { showImage } from '../shared/auth-image.js';
import { button, make, percent } from '../shared/dom.js';
import { formatNumber, t } from '../shared/i18n.js';
import { textChip } from './chips.js';

/**
 * How good a result is: its calibrated relevance, or the bare cosine where nothing is calibrated.
 *
 * @param {Partial<Hit>} hit
 */
export function scoreOf({ relevance, score }) {
  const name = t('search.relevance');
  if (relevance !== undefined && Number.isFinite(relevance)) {
    return { name, text: percent(relevance), share: Math.min(1, Math.max(0, relevance)), isCosine: false };
  }
  if (score !== undefined && Number.isFinite(score)) {
    return { name: t('search.cosine'), text: formatNumber(score, 3), share: null, isCosine: true };
  }
  return { name, text: '–', share: null, isCosine: false };
}

/**
 * A card with an image. The image has its shape before it is loaded, so that nothing moves.
 *
 * @param {Hit} hit
 * @param {number} index Position among all results, from 0.
 * @param {number} total
 * @param {(index: number) => void} open
 */
export function imageCard(hit, index, total, open) {
  const caption = hit.captions?.[0] ?? '';
  const score = scoreOf(hit);
  return make(
    'li',
    {
      class: 'plate',
      'data-testid': 'picture-result',
      'data-item-id': hit.id,
      'aria-posinset': index + 1,
      'aria-setsize': total,
    },
    make('div', { class: 'mat' }, thumbnail(hit)),
    make('p', { class: 'plate-caption', dir: 'auto', text: caption, title: caption }),
    make(
      'p',
      { class: 'meta' },
      make('span', { class: 'number', text: String(index + 1) }),
      make('span', { class: 'tags' }, ...labelTags(hit)),
      scoreTag(score),
    ),
    scoreBar(score),
    opener(t('search.open-picture', { n: index + 1, name: caption || hit.id }), () => open(index)),
  );
}

/**
 * A line with a caption and the image of its item.
 *
 * @param {Hit} hit
 * @param {number} index Position among all results, from 0.
 * @param {number} total
 * @param {(index: number) => void} open
 */
export function captionLine(hit, index, total, open) {
  const score = scoreOf(hit);
  return make(
    'li',
    {
      class: 'caption-line',
      'data-testid': 'caption-result',
      'data-item-id': hit.id,
      'aria-posinset': index + 1,
      'aria-setsize': total,
    },
    make('span', { class: 'number', text: String(index + 1) }),
    make('div', { class: 'mat small' }, hit.thumbnail_url ? thumbnail(hit) : null),
    make('p', { class: 'caption-text', dir: 'auto', text: hit.text ?? '', 'data-testid': 'caption-text' }),
    make('p', { class: 'meta' }, make('span', { class: 'tags' }, ...labelTags(hit)), scoreTag(score)),
    scoreBar(score),
    opener(t('search.open-caption', { n: index + 1 }), () => open(index)),
  );
}

/** @param {Hit} hit */
function thumbnail(hit) {
  const image = make('img', {
    class: (hit.width ?? 1) >= (hit.height ?? 1) ? 'wide' : 'tall',
    // The caption is right next to the image; only an image without one needs a text of its own.
    alt: hit.captions?.length || hit.text ? '' : (hit.labels ?? []).join(', ') || hit.id,
    width: hit.width,
    height: hit.height,
    decoding: 'async',
    'data-testid': 'thumbnail',
  });
  image.addEventListener('load', () => image.classList.add('there'), { once: true });
  image.addEventListener(
    'error',
    () => {
      const mat = image.closest('.mat');
      if (!(mat instanceof HTMLElement)) return;
      mat.classList.add('broken');
      mat.dataset.broken = t('search.picture-missing');
    },
    { once: true },
  );
  showImage(image, hit.thumbnail_url ?? '');
  return image;
}

/** @param {Hit} hit */
const labelTags = (hit) =>
  (hit.labels ?? []).map((label) =>
    make('span', { class: 'tag', dir: 'auto', text: label, 'data-testid': 'result-label' }),
  );

/** @param {ReturnType<typeof scoreOf>} score */
const scoreTag = ({ name, text, isCosine }) =>
  make(
    'span',
    { class: 'score', title: name, 'data-testid': 'score' },
    make('span', { class: 'visually-hidden', text: `${name} ` }),
    isCosine ? make('span', { class: 'score-kind', text: 'cos ', 'aria-hidden': 'true' }) : null,
    text,
  );

/** @param {ReturnType<typeof scoreOf>} score */
const scoreBar = ({ share }) => (share === null ? null : make('span', { class: 'gilt', share, 'aria-hidden': 'true' }));

/**
 * One button over the whole result, so that the keyboard stops there once.
 *
 * @param {string} name
 * @param {() => void} open
 */
const opener = (name, open) => button({ class: 'opener', 'aria-label': name, 'data-testid': 'open-result' }, open);

/**
 * Shows the labels that the model predicts for a query, most probable first.
 *
 * @param {HTMLElement} section
 * @param {HTMLElement} list
 * @param {PredictedLabel[] | undefined} predicted
 */
export function drawPredictedLabels(section, list, predicted = []) {
  section.hidden = !predicted.length;
  list.replaceChildren(
    ...predicted.map(({ label, probability }) =>
      make('li', { share: probability, 'data-testid': 'predicted-label' }, textChip(label, percent(probability))),
    ),
  );
}
