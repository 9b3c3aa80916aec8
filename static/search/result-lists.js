// The two lists of an answer: pictures in a grid with a fold below what is probably relevant, and captions as ruled lines.

import { byId } from '../shared/dom.js';
import { walkWithArrows } from './keyboard.js';
import { releaseAll } from '../shared/auth-image.js';
import { captionLine, plate } from './result-cards.js';
import { sheet } from './virtual-grid.js';
import { t } from '../shared/i18n.js';

/** Below this probability a match is called weak. */
const FOLD = 0.5;

const numberOf = (opener) => Number(opener.closest('li').getAttribute('aria-posinset')) - 1;

/** Both lists have `show(answer)`, `grown()` after results were put behind those of the answer, and `focus(number)`. */
export function pictureList(open) {
  let answer = { results: [] };
  let strong = [];
  let weak = [];
  const draw = (result, number) => plate(result, number, answer.total, open);
  const above = sheet(byId('picture-results'), draw);
  const below = sheet(byId('weak-results'), draw);

  /** How many results stand above the fold: all up to the last one that is probably relevant. */
  const folded = () => answer.results.findLastIndex(({ relevance }) => !(relevance < FOLD)) + 1;

  function drawFold() {
    byId('fold').hidden = !weak.length;
    byId('fold').textContent = t(strong.length ? 'search.fold' : 'search.fold-all');
  }

  const list = {
    show(shown) {
      answer = shown;
      const fold = folded();
      strong = answer.results.slice(0, fold);
      weak = answer.results.slice(fold);
      drawFold();
      above.show(strong);
      below.show(weak, fold);
    },
    grown() {
      const had = strong.length + weak.length;
      if (weak.length) {
        // The fold stays where the reader has seen it.
        weak.push(...answer.results.slice(had));
        below.grown();
      } else {
        // What is there stays as it is: a list drawn anew would lose the reader's place.
        const fold = Math.max(had, folded());
        strong.push(...answer.results.slice(had, fold));
        weak = answer.results.slice(fold);
        above.grown();
        if (weak.length) below.show(weak, fold);
      }
      drawFold();
    },
    focus(number) {
      const there = above.reach(number) ?? below.reach(number);
      there?.querySelector('.opener').focus();
      return Boolean(there);
    },
    clear: () => list.show({ results: [], total: 0 }),
    paint() {
      above.paint();
      below.paint();
    },
  };
  walkWithArrows(byId('pictures-pane'), {
    numberOf,
    count: () => answer.results.length,
    columns: () => (strong.length ? above : below).columns(),
    focus: list.focus,
  });
  return list;
}

export function captionList(open) {
  const node = byId('caption-results');
  let answer = { results: [] };
  const append = () =>
    node.append(
      ...answer.results
        .slice(node.children.length)
        .map((result, number) => captionLine(result, node.children.length + number, answer.total, open)),
    );
  const list = {
    show(shown) {
      releaseAll(node);
      node.replaceChildren();
      answer = shown;
      append();
    },
    grown: append,
    focus(number) {
      const there = node.children[number];
      there?.querySelector('.opener').focus();
      return Boolean(there);
    },
    clear: () => list.show({ results: [], total: 0 }),
    paint() {},
  };
  walkWithArrows(node, { numberOf, count: () => answer.results.length, columns: () => 1, focus: list.focus });
  return list;
}
