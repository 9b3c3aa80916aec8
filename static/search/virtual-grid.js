// @ts-check
// A grid of cards of equal size of which only those near the viewport are in the document: ten thousand results need
// no more memory than forty, and each has its position before it is drawn.

/** @import { Hit } from 'api' */

import { releaseImages } from '../shared/auth-image.js';

/** Viewport heights above and below the viewport that are drawn as well. */
const MARGIN = 0.75;
/** Height of a row, in pixels, until a card has been measured. */
const DEFAULT_ROW_HEIGHT = 320;

/**
 * @param {HTMLOListElement} list
 * @param {(hit: Hit, number: number) => HTMLElement} draw Makes the card of a result; `number` counts from the first
 *   of the whole response.
 */
export function virtualGrid(list, draw) {
  /** @type {Map<number, HTMLElement>} */
  const cards = new Map();
  /** @type {Hit[]} */
  let hits = [];
  let first = 0;
  let columns = 1;
  let rowHeight = DEFAULT_ROW_HEIGHT;
  /** Width that the layout was made for; 0 if the results have changed since. */
  let width = 0;
  let scheduled = false;

  function measure() {
    const style = getComputedStyle(list);
    columns = Math.max(1, style.gridTemplateColumns.split(' ').length);
    const gap = parseFloat(style.rowGap) || 0;
    const [card] = cards.values();
    if (card) rowHeight = card.offsetHeight + gap;
    const rows = Math.ceil(hits.length / columns);
    list.style.gridAutoRows = `${rowHeight - gap}px`;
    list.style.height = rows ? `${rows * rowHeight - gap}px` : '';
    width = list.clientWidth;
  }

  /**
   * @param {HTMLElement} card
   * @param {number} index
   */
  function place(card, index) {
    card.style.gridRow = String(Math.floor(index / columns) + 1);
    card.style.gridColumn = String((index % columns) + 1);
  }

  /** @param {number} index */
  function add(index) {
    const card = draw(hits[index], first + index);
    cards.set(index, card);
    place(card, index);
    card.dataset.at = String(index);
    // Document order is reading order, in whichever direction the reader scrolls.
    const indices = [...cards.keys()].filter((other) => other > index);
    list.insertBefore(card, indices.length ? (cards.get(Math.min(...indices)) ?? null) : null);
    return card;
  }

  /** @param {number} index */
  function remove(index) {
    const card = cards.get(index);
    if (!card) return;
    cards.delete(index);
    releaseImages(card);
    card.remove();
  }

  /** Draws the cards near the viewport and removes the others. */
  function paint() {
    // A hidden list has no width, so its columns cannot be counted.
    if (!hits.length || !list.clientWidth) return;
    if (!cards.size) add(0);
    if (list.clientWidth !== width) {
      // Cards in columns of a wider grid would add those columns to this one.
      for (const card of cards.values()) card.style.gridArea = 'auto';
      measure();
      for (const [index, card] of cards) place(card, index);
    }
    const top = list.getBoundingClientRect().top;
    const margin = innerHeight * MARGIN;
    const from = Math.max(0, Math.floor((-top - margin) / rowHeight)) * columns;
    const to = Math.min(hits.length, Math.max(1, Math.ceil((innerHeight - top + margin) / rowHeight)) * columns);
    for (const [index, card] of cards) {
      if ((index < from || index >= to) && !card.contains(document.activeElement)) remove(index);
    }
    for (let index = from; index < to; index += 1) if (!cards.has(index)) add(index);
  }

  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      paint();
    });
  };
  addEventListener('scroll', schedule, { passive: true });
  addEventListener('resize', schedule, { passive: true });
  new ResizeObserver(() => {
    if (list.clientWidth !== width) paint();
  }).observe(list);

  return {
    /**
     * Shows these results, of which the first has the number `start` in the response, counted from 0.
     *
     * @param {Hit[]} shown
     * @param {number} [start]
     */
    show(shown, start = 0) {
      for (const index of [...cards.keys()]) remove(index);
      hits = shown;
      first = start;
      list.start = start + 1;
      list.hidden = !hits.length;
      list.style.height = '';
      width = 0;
      paint();
    },
    /** Draws results that were appended to the shown ones. */
    extend() {
      list.hidden = !hits.length;
      width = 0;
      paint();
    },
    /**
     * Scrolls to a result and returns its card; null if this grid does not show it.
     *
     * @param {number} number
     */
    reach(number) {
      const index = number - first;
      if (index < 0 || index >= hits.length) return null;
      const card = cards.get(index);
      if (card) return card;
      const added = add(index);
      added.scrollIntoView({ block: 'center' });
      paint();
      return added;
    },
    columns: () => columns,
    paint,
  };
}
