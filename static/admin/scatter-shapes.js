// @ts-check
// The shapes of a scatter plot: points as pixels, the star, and the test whether a point is inside of a lasso.

/** @typedef {{ dx: Int32Array, dy: Int32Array, colors: Uint32Array }} Stamp Pixels of a shape, from its center. */
/** @typedef {{ radius: number, isDark: boolean, half: number, strong: Stamp[], faint: Stamp[] }} Stamps */

import { COLORS, NO_LABEL } from './class-colors.js';

/** Opacity of points that are not highlighted. */
const FAINT = 0.16;

/**
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
export function contextOf(canvas, settings) {
  const context = canvas.getContext('2d', settings);
  if (!context) throw new Error('this browser cannot draw on a canvas');
  return context;
}

/**
 * A square and a ring in each color, of which the last is that of points without a label: strong ones, and faint ones
 * for points that are not highlighted.
 *
 * @param {number} radius
 * @param {boolean} isDark
 * @returns {Stamps}
 */
export function makeStamps(radius, isDark) {
  const half = Math.ceil(radius + 1);
  const scheme = isDark ? 'dark' : 'light';
  const strong = [...COLORS[scheme], NO_LABEL[scheme]].flatMap((color) => [
    stampOf(color, radius, half, false),
    stampOf(color, radius, half, true),
  ]);
  const faint = strong.map((stamp) => ({
    ...stamp,
    colors: stamp.colors.map((color) => ((((color >>> 24) * FAINT) << 24) | (color & 0xffffff)) >>> 0),
  }));
  return { radius, isDark, half, strong, faint };
}

/**
 * The pixels of a square or a ring.
 *
 * @param {string} color
 * @param {number} radius
 * @param {number} half Half the side of the area that it is drawn in.
 * @param {boolean} isRing
 * @returns {Stamp}
 */
function stampOf(color, radius, half, isRing) {
  const side = 2 * half;
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [side, side];
  const context = contextOf(canvas, { willReadFrequently: true });
  context.fillStyle = color;
  context.strokeStyle = color;
  context.lineWidth = Math.max(1, radius * 0.45);
  context.beginPath();
  if (isRing) {
    context.arc(half, half, Math.max(radius - context.lineWidth / 2, 0.5), 0, 2 * Math.PI);
    context.stroke();
  } else {
    const square = Math.round(radius * 1.8) / 2;
    context.rect(half - Math.floor(square), half - Math.floor(square), 2 * square, 2 * square);
    context.fill();
  }
  const pixels = new Uint32Array(context.getImageData(0, 0, side, side).data.buffer);
  const set = [...pixels.keys()].filter((at) => pixels[at] >>> 24 > 20);
  return {
    dx: Int32Array.from(set, (at) => (at % side) - half),
    dy: Int32Array.from(set, (at) => Math.floor(at / side) - half),
    colors: Uint32Array.from(set, (at) => pixels[at]),
  };
}

/**
 * Whether a point is inside of a loop: a ray from it crosses the loop an odd number of times.
 *
 * @param {number} x
 * @param {number} y
 * @param {[number, number][]} loop
 */
export function isInside(x, y, loop) {
  let inside = false;
  loop.forEach(([ax, ay], at) => {
    const [bx, by] = loop[at ? at - 1 : loop.length - 1];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  });
  return inside;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {boolean} isDark
 */
export function drawStar(context, x, y, isDark) {
  context.beginPath();
  for (let at = 0; at < 10; at += 1) {
    const radius = at % 2 ? 5.5 : 13;
    const angle = (at * Math.PI) / 5 - Math.PI / 2;
    context.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
  context.closePath();
  context.fillStyle = '#e2c27a';
  context.strokeStyle = isDark ? '#ffffff' : '#16181d';
  context.lineWidth = 2;
  context.fill();
  context.stroke();
}
