// @ts-check
// Line charts that grow as values arrive: one for each measured quantity.

import { make } from '../shared/dom.js';
import { formatNumber } from '../shared/i18n.js';

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [320, 150, 44, 8, 8, 20];

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 */
function draw(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  if (text !== undefined) node.textContent = text;
  return node;
}

/** @typedef {{ x: number, values: number[] }} ChartPoint One value for each line. */
/** @typedef {ReturnType<typeof chart>} Chart */

/**
 * A chart with a title and a line for each name.
 *
 * @param {string} title
 * @param {string[]} lines
 * @param {{ showsLast?: boolean }} [options] Whether the title shows the last values.
 */
export function chart(title, lines, { showsLast = true } = {}) {
  const picture = draw('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, 'aria-hidden': 'true' });
  const legend = make('span', { class: 'figure', text: '–' });
  const caption = make('figcaption', {}, make('strong', { text: title }), ' ', legend);
  const node = make('figure', { class: 'chart' }, caption, picture);
  /** @type {ChartPoint[]} */
  const points = [];

  function show() {
    const all = points.flatMap(({ values }) => values);
    let [low, high] = [Math.min(...all), Math.max(...all)];
    if (high - low < 1e-9) [low, high] = [low - 0.5 * Math.abs(low || 1), high + 0.5 * Math.abs(high || 1)];
    const [first, last] = [points[0], points[points.length - 1]];
    const span = last.x > first.x ? last.x - first.x : 1;
    /** @param {number} value */
    const x = (value) => LEFT + ((value - first.x) / span) * (WIDTH - LEFT - RIGHT);
    /** @param {number} value */
    const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
    const parts = [low, (low + high) / 2, high].flatMap((value) => [
      draw('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      draw('text', { class: 'axis', x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, threeDigits(value)),
    ]);
    parts.push(
      draw('text', { class: 'axis', x: LEFT, y: HEIGHT - 4 }, formatNumber(first.x)),
      draw('text', { class: 'axis', x: WIDTH - RIGHT, y: HEIGHT - 4, 'text-anchor': 'end' }, formatNumber(last.x)),
    );
    lines.forEach((_, at) => {
      const path = points.map((point) => `${x(point.x).toFixed(1)},${y(point.values[at]).toFixed(1)}`).join(' ');
      parts.push(
        draw('polyline', { class: `line line-${at}`, points: path }),
        draw('circle', { class: `dot line-${at}`, cx: x(last.x), cy: y(last.values[at]), r: 3 }),
      );
    });
    picture.replaceChildren(...parts);
    legend.replaceChildren(
      ...lines.map((name, at) =>
        make('span', {
          class: name ? `named line-${at}` : '',
          text: [name, showsLast ? threeDigits(last.values[at]) : ''].filter(Boolean).join(' '),
        }),
      ),
    );
  }

  return {
    node,
    points,
    /**
     * Adds a value to each line; ignored unless all of them are numbers.
     *
     * @param {number} x
     * @param {(number | undefined)[]} values
     */
    add(x, values) {
      const numbers = values.map(Number);
      if (!numbers.every(Number.isFinite)) return;
      points.push({ x, values: numbers });
      show();
    },
  };
}

/**
 * A number with three significant digits, unless it is 1000 or more.
 *
 * @param {number} value
 */
function threeDigits(value) {
  const size = Math.abs(value);
  return formatNumber(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}
