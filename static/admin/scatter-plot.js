// @ts-check
// A scatter plot on a canvas: images are squares, captions rings, and colors tell labels apart. The points are drawn
// on a layer of their own when the view changes; what follows the pointer is drawn over a copy of that layer.

/** @import { Point } from 'api' */
/** @import { LabelClass } from './class-colors.js' */
/** @import { Stamp, Stamps } from './scatter-shapes.js' */

/** @typedef {[number, number]} Position Pixels from the top left corner of the canvas. */

import { COLORS } from './class-colors.js';
import { listenForGestures } from './scatter-gestures.js';
import { contextOf, drawStar, isInside, makeStamps } from './scatter-shapes.js';

/** Cells along each side of the grid that finds points by their position. */
const CELLS = 128;
/** Pixels from the pointer within which a point is hit. */
const HIT_RADIUS = 10;
const [MIN_SCALE, MAX_SCALE] = [0.8, 60];

export class ScatterPlot {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {object} handlers
   * @param {(point: Point | null, x: number, y: number) => void} handlers.onHover
   * @param {(point: Point) => void} handlers.onOpen
   * @param {(points: Point[]) => void} handlers.onLasso
   */
  constructor(canvas, { onHover, onOpen, onLasso }) {
    this.canvas = canvas;
    this.onHover = onHover;
    this.onOpen = onOpen;
    this.onLasso = onLasso;
    this.context = contextOf(canvas);
    this.layer = document.createElement('canvas');
    this.layerContext = contextOf(this.layer, { willReadFrequently: true });
    /** @type {Point[]} */
    this.points = [];
    /** @type {LabelClass[]} */
    this.classes = [];
    // Flat copies of the points: twenty thousand objects are too slow to read sixty times a second.
    this.xs = new Float32Array();
    this.ys = new Float32Array();
    this.sprites = new Uint8Array();
    /** @type {Map<number, number[]>} */
    this.grid = new Map();
    this.view = { x: 0, y: 0, scale: 1 };
    /**
     * 1 for each highlighted point; null if all are.
     *
     * @type {Uint8Array | null}
     */
    this.highlighted = null;
    /** @type {{ x: number, y: number } | null} */
    this.star = null;
    /** @type {number | null} */
    this.hovered = null;
    /**
     * The lasso that is being drawn.
     *
     * @type {Position[] | null}
     */
    this.loop = null;
    /** Whether dragging draws a lasso instead of moving the plot. */
    this.lasso = false;
    this.isScheduled = false;
    this.isStale = true;
    // Of the canvas, in pixels of the page, and pixels of the screen in each of them.
    this.width = 1;
    this.height = 1;
    this.ratio = 1;
    /** @type {{ image: ImageData, pixels: Uint32Array } | null} */
    this.buffer = null;
    /** @type {Stamps | null} */
    this.stamps = null;
    this.darkScheme = matchMedia('(prefers-color-scheme: dark)');
    this.darkScheme.addEventListener('change', () => this.redraw());
    new ResizeObserver(() => this.resize()).observe(canvas);
    listenForGestures(this);
    this.resize();
  }

  /**
   * Shows points, whose coordinates are between -1 and 1.
   *
   * @param {Point[]} points
   * @param {LabelClass[]} classes The result of `classesOf` for them.
   */
  show(points, classes) {
    this.points = points;
    this.classes = classes;
    const colors = new Map(classes.map(({ label, color }) => [label, color]));
    this.xs = Float32Array.from(points, ({ x }) => x);
    this.ys = Float32Array.from(points, ({ y }) => y);
    this.sprites = Uint8Array.from(
      points,
      ({ label, kind }) => 2 * (colors.get(label ?? '') ?? COLORS.light.length) + (kind === 'image' ? 0 : 1),
    );
    this.grid = new Map();
    points.forEach(({ x, y }, index) => {
      const cell = cellOf(x) * CELLS + cellOf(y);
      const indices = this.grid.get(cell);
      if (indices) indices.push(index);
      else this.grid.set(cell, [index]);
    });
    this.reset();
  }

  /**
   * Fades all points but those of some labels. An empty set shows all.
   *
   * @param {Set<string>} labels
   */
  highlight(labels) {
    this.highlighted = labels.size
      ? Uint8Array.from(this.points, ({ label }) => Number(labels.has(label ?? '')))
      : null;
    this.redraw();
  }

  /**
   * Marks a place with a star.
   *
   * @param {{ x: number, y: number } | null} star
   */
  mark(star) {
    this.star = star;
    this.redraw();
  }

  reset() {
    this.view = { x: 0, y: 0, scale: 1 };
    this.redraw();
  }

  /**
   * @param {number} factor
   * @param {number} [x] The position that stays in place.
   * @param {number} [y]
   */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const [px, py] = this.toPlane(x, y);
    this.view.scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, this.view.scale * factor));
    const [sx, sy] = this.toScreen(px, py);
    this.pan(x - sx, y - sy);
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  pan(dx, dy) {
    const unit = this.unit();
    this.view.x = Math.min(1.2, Math.max(-1.2, this.view.x - dx / unit));
    this.view.y = Math.min(1.2, Math.max(-1.2, this.view.y - dy / unit));
    this.redraw();
  }

  /** Pixels per unit of the plane. */
  unit() {
    return (Math.min(this.width, this.height) / 2 - 12) * this.view.scale;
  }

  /**
   * @param {number} x
   * @param {number} y
   * @returns {Position}
   */
  toScreen(x, y) {
    const unit = this.unit();
    return [this.width / 2 + (x - this.view.x) * unit, this.height / 2 + (y - this.view.y) * unit];
  }

  /**
   * @param {number} x
   * @param {number} y
   * @returns {[number, number]}
   */
  toPlane(x, y) {
    const unit = this.unit();
    return [this.view.x + (x - this.width / 2) / unit, this.view.y + (y - this.height / 2) / unit];
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    [this.width, this.height] = [Math.max(box.width, 1), Math.max(box.height, 1)];
    this.ratio = Math.min(devicePixelRatio || 1, 2);
    for (const canvas of [this.canvas, this.layer]) {
      canvas.width = Math.round(this.width * this.ratio);
      canvas.height = Math.round(this.height * this.ratio);
    }
    this.redraw();
  }

  redraw() {
    this.isStale = true;
    this.schedule();
  }

  schedule() {
    if (this.isScheduled) return;
    this.isScheduled = true;
    requestAnimationFrame(() => {
      this.isScheduled = false;
      this.draw();
    });
  }

  draw() {
    if (this.isStale) this.drawLayer();
    this.isStale = false;
    const { context, ratio, hovered, star, loop } = this;
    const isDark = this.darkScheme.matches;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.drawImage(this.layer, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const ink = isDark ? '#ffffff' : '#000000';
    context.strokeStyle = ink;
    if (hovered !== null) {
      const [x, y] = this.toScreen(this.xs[hovered], this.ys[hovered]);
      context.lineWidth = 2;
      context.beginPath();
      context.arc(x, y, this.radius() + 5, 0, 2 * Math.PI);
      context.stroke();
    }
    if (star) drawStar(context, ...this.toScreen(star.x, star.y), isDark);
    if (loop && loop.length > 1) {
      context.strokeStyle = ink;
      context.lineWidth = 1.5;
      context.setLineDash([5, 4]);
      context.beginPath();
      for (const [x, y] of loop) context.lineTo(x, y);
      context.closePath();
      context.stroke();
      context.fillStyle = isDark ? 'rgb(255 255 255 / .08)' : 'rgb(0 0 0 / .06)';
      context.fill();
      context.setLineDash([]);
    }
  }

  /** Half the side of a point in pixels: smaller the more points there are, larger when zoomed in. */
  radius() {
    const base = Math.min(5, Math.max(1.8, 110 / Math.sqrt(this.points.length || 1)));
    return Math.min(9, base * this.view.scale ** 0.4);
  }

  /**
   * Draws all points. They are written into memory pixel by pixel: without a graphics card, twenty thousand calls of
   * the canvas take a hundred times as long.
   */
  drawLayer() {
    const { layer, layerContext: context, ratio, xs, ys, highlighted } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, layer.width, layer.height);
    if (!this.points.length) return;
    const { half, strong, faint } = this.stampsOf(Math.max(1, Math.round(this.radius() * ratio * 2) / 2));
    // The buffer has a margin, so that a stamp at the edge needs no clipping.
    const { image, pixels } = this.bufferOf(layer.width + 4 * half, layer.height + 4 * half);
    const { width, height } = image;
    pixels.fill(0);
    const unit = this.unit() * ratio;
    const left = 2 * half + layer.width / 2 - this.view.x * unit;
    const top = 2 * half + layer.height / 2 - this.view.y * unit;
    /**
     * @param {0 | 1} isHighlighted Which points to draw.
     * @param {Stamp[]} stamps
     */
    const drawPoints = (isHighlighted, stamps) => {
      for (let index = 0; index < xs.length; index += 1) {
        if (highlighted && highlighted[index] !== isHighlighted) continue;
        const x = Math.round(left + xs[index] * unit);
        const y = Math.round(top + ys[index] * unit);
        if (x < half || y < half || x >= width - half || y >= height - half) continue;
        const { dx, dy, colors } = stamps[this.sprites[index]];
        const center = y * width + x;
        for (let each = 0; each < colors.length; each += 1) {
          const at = center + dy[each] * width + dx[each];
          // A soft edge does not cover other points.
          if (pixels[at] === 0 || colors[each] >>> 24 > 127) pixels[at] = colors[each];
        }
      }
    };
    if (highlighted) drawPoints(0, faint);
    drawPoints(1, strong);
    context.putImageData(image, -2 * half, -2 * half);
    this.drawNames(context);
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  bufferOf(width, height) {
    if (this.buffer?.image.width !== width || this.buffer.image.height !== height) {
      const image = new ImageData(width, height);
      this.buffer = { image, pixels: new Uint32Array(image.data.buffer) };
    }
    return this.buffer;
  }

  /** @param {number} radius */
  stampsOf(radius) {
    const isDark = this.darkScheme.matches;
    if (this.stamps?.radius !== radius || this.stamps.isDark !== isDark) this.stamps = makeStamps(radius, isDark);
    return this.stamps;
  }

  /**
   * Draws the names of labels at their centers, the most frequent first, unless they would overlap. They tell labels
   * apart that have the same color.
   *
   * @param {CanvasRenderingContext2D} context
   */
  drawNames(context) {
    const isDark = this.darkScheme.matches;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.font = '600 12px system-ui, sans-serif';
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.lineWidth = 4;
    context.lineJoin = 'round';
    context.strokeStyle = isDark ? 'rgb(15 17 22 / .85)' : 'rgb(251 251 249 / .88)';
    context.fillStyle = isDark ? '#f4f3ef' : '#16181d';
    /** @type {{ x: number, y: number, half: number }[]} */
    const drawn = [];
    for (const { label, ...center } of this.classes) {
      const [x, y] = this.toScreen(center.x, center.y);
      const name = label.length > 28 ? `${label.slice(0, 27)}…` : label;
      const half = context.measureText(name).width / 2 + 4;
      if (x < -half || y < 0 || x > this.width + half || y > this.height) continue;
      if (drawn.some((other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 16)) continue;
      drawn.push({ x, y, half });
      context.strokeText(name, x, y);
      context.fillText(name, x, y);
    }
  }

  /**
   * Index of the point nearest to a position; null if none is near enough.
   *
   * @param {number} x
   * @param {number} y
   */
  hit(x, y) {
    if (!this.points.length) return null;
    const [px, py] = this.toPlane(x, y);
    const reach = HIT_RADIUS / this.unit();
    let nearest = reach * reach;
    /** @type {number | null} */
    let found = null;
    for (let cx = cellOf(px - reach); cx <= cellOf(px + reach); cx += 1) {
      for (let cy = cellOf(py - reach); cy <= cellOf(py + reach); cy += 1) {
        for (const index of this.grid.get(cx * CELLS + cy) ?? []) {
          if (this.highlighted && !this.highlighted[index]) continue;
          const distance = (this.xs[index] - px) ** 2 + (this.ys[index] - py) ** 2;
          if (distance < nearest) [nearest, found] = [distance, index];
        }
      }
    }
    return found;
  }

  /**
   * The points within a loop.
   *
   * @param {Position[]} loop
   */
  within(loop) {
    const plane = loop.map(([x, y]) => this.toPlane(x, y));
    return this.points.filter(
      ({ x, y }, index) => (!this.highlighted || this.highlighted[index]) && isInside(x, y, plane),
    );
  }

  /**
   * Sets the point under the pointer.
   *
   * @param {number | null} index
   * @param {number} [x]
   * @param {number} [y]
   */
  setHovered(index, x = 0, y = 0) {
    if (index === this.hovered) return;
    this.hovered = index;
    this.canvas.style.cursor = index === null ? '' : 'pointer';
    this.onHover(index === null ? null : this.points[index], x, y);
    this.schedule();
  }
}

/** @param {number} value */
const cellOf = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor(((value + 1) / 2) * CELLS)));
