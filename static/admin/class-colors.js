// @ts-check
// Colors of labels in a scatter plot.

/** @import { Point } from 'api' */

/**
 * Colors on a light page and on a dark one, eight each, found by a search: any two differ by at least 32 in CIELAB,
 * also as seen by readers with protanopia, deuteranopia or tritanopia (Machado et al. 2009), and each has a contrast
 * of at least 3.1 with the page.
 */
export const COLORS = {
  light: ['#1202fd', '#e85c65', '#024f00', '#e13ffd', '#af8a03', '#149bb5', '#4c0380', '#4e0129'],
  dark: ['#7990fc', '#fed101', '#11f8fb', '#f02b07', '#ccfa9e', '#c4028c', '#985d4f', '#8b1dfe'],
};

/** Color of points without a label. */
export const NO_LABEL = { light: '#6b7078', dark: '#9aa0aa' };

/**
 * A label with the number and the center of its points, and the index of its color.
 *
 * @typedef {{ label: string, count: number, x: number, y: number, color: number }} LabelClass
 */

/**
 * The labels of points, by count, each with the index of its color. A color is used again only for labels that are
 * far apart.
 *
 * @param {Point[]} points
 * @returns {LabelClass[]}
 */
export function classesOf(points) {
  /** @type {Map<string, LabelClass>} */
  const found = new Map();
  for (const { label, x, y } of points) {
    if (label === null || label === undefined) continue;
    const one = found.get(label) ?? { label, count: 0, x: 0, y: 0, color: 0 };
    found.set(label, one);
    one.count += 1;
    one.x += x;
    one.y += y;
  }
  const classes = [...found.values()].sort((a, b) => b.count - a.count || (a.label < b.label ? -1 : 1));
  classes.forEach((one, at) => {
    one.x /= one.count;
    one.y /= one.count;
    let farthest = -1;
    COLORS.light.forEach((_, color) => {
      const distances = classes
        .slice(0, at)
        .filter((other) => other.color === color)
        .map((other) => Math.hypot(other.x - one.x, other.y - one.y));
      const distance = Math.min(10, ...distances);
      if (distance > farthest) [farthest, one.color] = [distance, color];
    });
  });
  return classes;
}

/**
 * @param {number} index
 * @param {boolean} isDark
 */
export const colorOf = (index, isDark) => COLORS[isDark ? 'dark' : 'light'][index];
