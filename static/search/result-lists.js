// @ts-check
// The two lists of results: images in a grid, with a fold above those that are probably not relevant, and captions as
// lines.

/** @import { Hit } from 'api' */
/** @import { Results } from './api.js' */

/**
 * @typedef {object} ResultList
 * @property {(results: Results) => void} show
 * @property {() => void} extend Draws results that were appended to the shown ones.
 * @property {(index: number) => boolean} focus Whether there is such a result.
 * @property {() => void} clear
 * @property {() => void} paint Draws what could not be drawn while the list was hidden.
 */

import { releaseImages } from '../shared/auth-image.js';
import { byId } from '../shared/dom.js';
import { t } from '../shared/i18n.js';
import { moveWithArrows } from './keyboard.js';
import { captionLine, imageCard } from './result-cards.js';
import { virtualGrid } from './virtual-grid.js';

/** Results of a lower relevance are weak. */
const MIN_RELEVANCE = 0.5;

/** @typedef {Pick<Results, 'results' | 'total'>} Shown */
/** @type {Shown} */
const NO_RESULTS = { results: [], total: 0 };

/** @param {Element} opener */
const indexOf = (opener) => Number(opener.closest('li')?.getAttribute('aria-posinset')) - 1;

/** @param {Element | null | undefined} card */
function focusOpener(card) {
  const opener = card?.querySelector('.opener');
  if (opener instanceof HTMLElement) opener.focus();
  return Boolean(card);
}

/**
 * @param {(index: number) => void} open
 * @returns {ResultList}
 */
export function imageList(open) {
  /** @type {Shown} */
  let shown = NO_RESULTS;
  /** @type {Hit[]} */
  let strong = [];
  /** @type {Hit[]} */
  let weak = [];
  /**
   * @param {Hit} hit
   * @param {number} number
   */
  const draw = (hit, number) => imageCard(hit, number, shown.total, open);
  const above = virtualGrid(byId('picture-results', HTMLOListElement), draw);
  const below = virtualGrid(byId('weak-results', HTMLOListElement), draw);

  /** Number of results above the fold: all up to the last one that is probably relevant. */
  const countStrong = () => shown.results.findLastIndex(({ relevance }) => !(relevance < MIN_RELEVANCE)) + 1;

  function drawFold() {
    byId('fold').hidden = !weak.length;
    byId('fold').textContent = t(strong.length ? 'search.fold' : 'search.fold-all');
  }

  /** @param {Shown} results */
  function show(results) {
    shown = results;
    const fold = countStrong();
    strong = shown.results.slice(0, fold);
    weak = shown.results.slice(fold);
    drawFold();
    above.show(strong);
    below.show(weak, fold);
  }

  /** @param {number} index */
  const focus = (index) => focusOpener(above.reach(index) ?? below.reach(index));

  moveWithArrows(byId('pictures-pane'), {
    indexOf,
    count: () => shown.results.length,
    columns: () => (strong.length ? above : below).columns(),
    focus,
  });
  return {
    show,
    extend() {
      const had = strong.length + weak.length;
      if (weak.length) {
        // The fold stays where the reader has seen it.
        weak.push(...shown.results.slice(had));
        below.extend();
      } else {
        // A list that is drawn from scratch would lose the reader's place.
        const fold = Math.max(had, countStrong());
        strong.push(...shown.results.slice(had, fold));
        weak = shown.results.slice(fold);
        above.extend();
        if (weak.length) below.show(weak, fold);
      }
      drawFold();
    },
    focus,
    clear: () => show(NO_RESULTS),
    paint() {
      above.paint();
      below.paint();
    },
  };
}

/**
 * @param {(index: number) => void} open
 * @returns {ResultList}
 */
export function captionList(open) {
  const node = byId('caption-results');
  /** @type {Shown} */
  let shown = NO_RESULTS;

  function extend() {
    const drawn = node.children.length;
    const lines = shown.results.slice(drawn).map((hit, at) => captionLine(hit, drawn + at, shown.total, open));
    node.append(...lines);
  }

  /** @param {Shown} results */
  function show(results) {
    releaseImages(node);
    node.replaceChildren();
    shown = results;
    extend();
  }

  /** @param {number} index */
  const focus = (index) => focusOpener(node.children[index]);

  moveWithArrows(node, { indexOf, count: () => shown.results.length, columns: () => 1, focus });
  return { show, extend, focus, clear: () => show(NO_RESULTS), paint() {} };
}
