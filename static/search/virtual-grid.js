// A grid of plates of one size of which only those near the window are in the document: ten thousand results cost no more
// memory than forty, and each has its place before it is drawn.

import { releaseAll } from '../shared/auth-image.js';

/** Screens above and below the window that are drawn as well. */
const MARGIN = 0.75;
const FALLBACK_ROW = 320;

/** `draw(result, index)` makes the plate of a result. */
export function sheet(list, draw) {
  const plates = new Map();
  let results = [];
  let begin = 0;
  let columns = 1;
  let row = FALLBACK_ROW;
  /** For which everything is laid out; 0 where something has changed since. */
  let width = 0;
  let waiting = false;

  function measure() {
    const style = getComputedStyle(list);
    columns = Math.max(1, style.gridTemplateColumns.split(' ').length);
    const gap = parseFloat(style.rowGap) || 0;
    const plate = plates.values().next().value;
    if (plate) row = plate.offsetHeight + gap;
    const rows = Math.ceil(results.length / columns);
    list.style.gridAutoRows = `${row - gap}px`;
    list.style.height = rows ? `${rows * row - gap}px` : '';
    width = list.clientWidth;
  }

  function place(plate, index) {
    plate.style.gridRow = String(Math.floor(index / columns) + 1);
    plate.style.gridColumn = String((index % columns) + 1);
  }

  function add(index) {
    const plate = draw(results[index], begin + index);
    plates.set(index, plate);
    place(plate, index);
    // Reading order is the order in the document, whatever way the reader scrolls.
    const next = [...list.children].find((other) => Number(other.dataset.at) > index);
    plate.dataset.at = String(index);
    list.insertBefore(plate, next ?? null);
  }

  function remove(index) {
    const plate = plates.get(index);
    plates.delete(index);
    releaseAll(plate);
    plate.remove();
  }

  /** Draws what is near the window, and takes out what is not. */
  function paint() {
    // A hidden list has no width to be laid out in.
    if (!results.length || !list.clientWidth) return;
    if (!plates.size) add(0);
    if (list.clientWidth !== width) {
      // Plates of a wider grid would be columns of this one.
      for (const plate of plates.values()) plate.style.gridArea = 'auto';
      measure();
      for (const [index, plate] of plates) place(plate, index);
    }
    const top = list.getBoundingClientRect().top;
    const spare = innerHeight * MARGIN;
    const from = Math.max(0, Math.floor((-top - spare) / row)) * columns;
    const to = Math.min(results.length, Math.max(1, Math.ceil((innerHeight - top + spare) / row)) * columns);
    for (const [index, plate] of plates) {
      if ((index < from || index >= to) && !plate.contains(document.activeElement)) remove(index);
    }
    for (let index = from; index < to; index += 1) if (!plates.has(index)) add(index);
  }

  const later = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      paint();
    });
  };
  addEventListener('scroll', later, { passive: true });
  addEventListener('resize', later, { passive: true });
  new ResizeObserver(() => {
    if (list.clientWidth !== width) paint();
  }).observe(list);

  return {
    /** Shows these results; the first one is the one of number `first` of the answer, counted from 0. */
    show(found, first = 0) {
      for (const index of [...plates.keys()]) remove(index);
      results = found;
      begin = first;
      list.start = first + 1;
      list.hidden = !results.length;
      list.style.height = '';
      width = 0;
      paint();
    },
    /** More have been put behind the results. */
    grown() {
      list.hidden = !results.length;
      width = 0;
      paint();
    },
    /** Brings a result into the window, and gives its plate; null if it is not one of these. */
    reach(number) {
      const index = number - begin;
      if (index < 0 || index >= results.length) return null;
      if (!plates.has(index)) {
        add(index);
        plates.get(index).scrollIntoView({ block: 'center' });
        paint();
      }
      return plates.get(index);
    },
    columns: () => columns,
    paint,
  };
}
