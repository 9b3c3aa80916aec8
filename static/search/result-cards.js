// The answers: plates for pictures, ruled lines for captions, and what the model read the question as.

import { button, goodness, make, percent, wordsChip } from '../shared/dom.js';
import { show } from '../shared/auth-image.js';
import { t } from '../shared/i18n.js';

/** A picture on a mat. Its print has its shape before it is there: nothing moves while it loads. */
export function plate(result, index, total, open) {
  const caption = result.captions?.[0] ?? '';
  const good = goodness(result);
  return make(
    'li',
    {
      class: 'plate',
      'data-testid': 'picture-result',
      'data-item-id': result.id,
      'aria-posinset': index + 1,
      'aria-setsize': total,
    },
    make('div', { class: 'mat' }, thumbnail(result)),
    make('p', { class: 'plate-caption', dir: 'auto', text: caption, title: caption }),
    make(
      'p',
      { class: 'meta' },
      make('span', { class: 'number', text: String(index + 1) }),
      make('span', { class: 'tags' }, ...tags(result)),
      score(good),
    ),
    good.share === null ? null : make('span', { class: 'gilt', share: good.share, 'aria-hidden': 'true' }),
    opener(t('search.open-picture', { n: index + 1, name: caption || result.id }), () => open(index)),
  );
}

/** A caption with the picture it belongs to. */
export function captionLine(result, index, total, open) {
  const good = goodness(result);
  return make(
    'li',
    {
      class: 'caption-line',
      'data-testid': 'caption-result',
      'data-item-id': result.id,
      'aria-posinset': index + 1,
      'aria-setsize': total,
    },
    make('span', { class: 'number', text: String(index + 1) }),
    make('div', { class: 'mat small' }, result.thumbnail_url ? thumbnail(result) : null),
    make('p', { class: 'caption-text', dir: 'auto', text: result.text ?? '', 'data-testid': 'caption-text' }),
    make('p', { class: 'meta' }, make('span', { class: 'tags' }, ...tags(result)), score(good)),
    good.share === null ? null : make('span', { class: 'gilt', share: good.share, 'aria-hidden': 'true' }),
    opener(t('search.open-caption', { n: index + 1 }), () => open(index)),
  );
}

function thumbnail(result) {
  const image = make('img', {
    class: (result.width ?? 1) >= (result.height ?? 1) ? 'wide' : 'tall',
    // The caption stands right beside the picture; only a picture without one needs words of its own.
    alt: result.captions?.length || result.text ? '' : (result.labels ?? []).join(', ') || result.id,
    width: result.width,
    height: result.height,
    decoding: 'async',
    'data-testid': 'thumbnail',
  });
  image.addEventListener('load', () => image.classList.add('there'), { once: true });
  image.addEventListener(
    'error',
    () => {
      const mat = image.closest('.mat');
      if (!mat) return;
      mat.classList.add('broken');
      mat.dataset.broken = t('search.picture-missing');
    },
    { once: true },
  );
  show(image, result.thumbnail_url);
  return image;
}

const tags = (result) =>
  (result.labels ?? []).map((label) =>
    make('span', { class: 'tag', dir: 'auto', text: label, 'data-testid': 'result-label' }),
  );

function score(good) {
  return make(
    'span',
    { class: 'score', title: t(good.name), 'data-testid': 'score' },
    make('span', { class: 'visually-hidden', text: `${t(good.name)} ` }),
    good.name === 'search.cosine' ? make('span', { class: 'score-kind', text: 'cos ', 'aria-hidden': 'true' }) : null,
    good.text,
  );
}

/** One button over the whole result, so that it is a single stop for the keyboard. */
const opener = (name, open) => button({ class: 'opener', 'aria-label': name, 'data-testid': 'open-result' }, open);

/** The model's guess at the labels of the question, most probable first. */
export function predictedLabels(section, list, predicted) {
  section.hidden = !predicted?.length;
  list.replaceChildren(
    ...(predicted ?? []).map(({ label, probability }) =>
      make('li', { share: probability, 'data-testid': 'predicted-label' }, wordsChip(label, percent(probability))),
    ),
  );
}
