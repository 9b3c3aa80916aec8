// The answers: plates for pictures, ruled lines for captions, and what the model read the question as.

import { goodness, labelChip, make, percent } from './dom.js';

const FIRST_SCREEN = 12;

/** Pictures on mats of one size: nothing moves while they load. `open(index)` shows one of them large. */
export function plates(list, results, open) {
  list.replaceChildren(...results.map((result, index) => {
    const caption = result.captions?.[0] ?? '';
    const good = goodness(result);
    return make('li', { class: 'plate', 'data-testid': 'picture-result', 'data-item-id': result.id },
      make('div', { class: 'mat' }, thumbnail(result, index)),
      make('p', { class: 'plate-caption', text: caption, title: caption }),
      make('p', { class: 'meta' },
        make('span', { class: 'number', text: String(index + 1) }),
        make('span', { class: 'tags' }, ...tags(result)),
        score(good)),
      good.share === null ? null : make('span', { class: 'gilt', share: good.share, 'aria-hidden': 'true' }),
      opener(`Open picture ${index + 1}: ${caption || result.id}`, () => open(index)));
  }));
}

/** Captions as a ranked list, each with the picture it belongs to. */
export function captionLines(list, results, open) {
  list.replaceChildren(...results.map((result, index) => {
    const good = goodness(result);
    return make('li', { class: 'caption-line', 'data-testid': 'caption-result', 'data-item-id': result.id },
      make('span', { class: 'number', text: String(index + 1) }),
      make('div', { class: 'mat small' }, result.thumbnail_url ? thumbnail(result, index) : null),
      make('p', { class: 'caption-text', text: result.text ?? '', 'data-testid': 'caption-text' }),
      make('p', { class: 'meta' }, make('span', { class: 'tags' }, ...tags(result)), score(good)),
      good.share === null ? null : make('span', { class: 'gilt', share: good.share, 'aria-hidden': 'true' }),
      opener(`Open the picture of caption ${index + 1}`, () => open(index)));
  }));
}

function thumbnail(result, index) {
  const image = make('img', {
    src: result.thumbnail_url,
    // The caption stands right beside the picture; only a picture without one needs words of its own.
    alt: result.captions?.length || result.text ? '' : (result.labels ?? []).join(', ') || result.id,
    width: result.width,
    height: result.height,
    loading: index < FIRST_SCREEN ? 'eager' : 'lazy',
    decoding: 'async',
  });
  image.addEventListener('error', () => image.closest('.mat').classList.add('broken'), { once: true });
  return image;
}

const tags = (result) => (result.labels ?? []).map((label) =>
  make('span', { class: 'tag', text: label, 'data-testid': 'result-label' }));

function score(good) {
  return make('span', { class: 'score', title: good.name, 'data-testid': 'score' },
    make('span', { class: 'visually-hidden', text: `${good.name} ` }),
    good.name === 'cosine' ? make('span', { class: 'score-kind', text: 'cos ', 'aria-hidden': 'true' }) : null,
    good.text);
}

/** One button over the whole result, so that it is a single stop for the keyboard. */
function opener(name, open) {
  const button = make('button', { type: 'button', class: 'opener', 'aria-label': name, 'data-testid': 'open-result' });
  button.addEventListener('click', open);
  return button;
}

/** The model's guess at the labels of the question, most probable first. */
export function predictedLabels(section, list, predicted) {
  section.hidden = !predicted?.length;
  list.replaceChildren(...(predicted ?? []).map(({ label, probability }) =>
    make('li', { share: probability, 'data-testid': 'predicted-label' }, labelChip(label, percent(probability)))));
}

/** Arrow keys walk over the results of a list, up and down by what is seen, not by what is counted. */
export function walkWithArrows(list) {
  list.addEventListener('keydown', (event) => {
    const buttons = [...list.querySelectorAll('.opener')];
    const at = buttons.indexOf(document.activeElement);
    if (at < 0) return;
    const row = (button) => button.parentElement.offsetTop;
    const columns = buttons.filter((button) => row(button) === row(buttons[0])).length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    const to = event.key === 'Home' ? 0 : event.key === 'End' ? buttons.length - 1 : step && at + step;
    if (to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons[to].focus();
  });
}
