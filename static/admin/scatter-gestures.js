// @ts-check
// Mouse, touch, wheel and keys on a scatter plot.

/** @import { Position, ScatterPlot } from './scatter-plot.js' */

/** Pixels that a pointer may move in a click. */
const CLICK_TOLERANCE = 4;

/**
 * Lets the reader move, zoom, point at and lasso a plot.
 *
 * @param {ScatterPlot} plot
 */
export function listenForGestures(plot) {
  const { canvas } = plot;
  /** @type {Map<number, Position>} */
  const pointers = new Map();
  let moved = 0;
  /**
   * @param {MouseEvent} event
   * @returns {Position}
   */
  const position = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener('pointerdown', (event) => {
    const at = position(event);
    pointers.set(event.pointerId, at);
    canvas.setPointerCapture(event.pointerId);
    moved = 0;
    plot.loop = pointers.size === 1 && (plot.lasso || event.shiftKey) ? [at] : null;
  });
  canvas.addEventListener('pointermove', (event) => {
    const at = position(event);
    const [x, y] = at;
    const before = pointers.get(event.pointerId);
    if (!before) {
      plot.setHovered(plot.hit(x, y), x, y);
      return;
    }
    pointers.set(event.pointerId, at);
    moved += Math.hypot(x - before[0], y - before[1]);
    if (moved > CLICK_TOLERANCE) plot.setHovered(null);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (plot.loop) {
      plot.loop.push(at);
      plot.schedule();
    } else if (other && pointers.size === 2) {
      /** @param {Position} from */
      const spread = (from) => Math.max(1, Math.hypot(from[0] - other[0], from[1] - other[1]));
      plot.zoom(spread(at) / spread(before), other[0], other[1]);
    } else if (moved > CLICK_TOLERANCE) {
      plot.pan(x - before[0], y - before[1]);
    }
  });
  /** @param {PointerEvent} event */
  const release = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    const { loop } = plot;
    plot.loop = null;
    if (loop && loop.length > 2) plot.onLasso(plot.within(loop));
    else if (!loop && moved <= CLICK_TOLERANCE && event.type === 'pointerup') {
      const index = plot.hit(...position(event));
      if (index !== null) plot.onOpen(plot.points[index]);
    }
    plot.schedule();
  };
  canvas.addEventListener('pointerup', release);
  canvas.addEventListener('pointercancel', release);
  canvas.addEventListener('pointerleave', () => plot.setHovered(null));
  canvas.addEventListener(
    'wheel',
    (event) => {
      // The wheel scrolls the page over the plot, unless the reader has clicked the plot or holds Ctrl.
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      plot.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), ...position(event));
    },
    { passive: false },
  );
  canvas.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowLeft: () => plot.pan(60, 0),
      ArrowRight: () => plot.pan(-60, 0),
      ArrowUp: () => plot.pan(0, 60),
      ArrowDown: () => plot.pan(0, -60),
      '+': () => plot.zoom(1.3),
      '=': () => plot.zoom(1.3),
      '-': () => plot.zoom(1 / 1.3),
      0: () => plot.reset(),
    };
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  });
}
