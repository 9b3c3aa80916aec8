// A sheet of points on a canvas: pictures are squares, captions rings, colours tell classes apart, a star marks a place. It is
// drawn on a layer of its own when the view changes; what moves with the pointer is drawn over a copy of it.

import { COLOURS, NONE } from './class-colors.js';
import { listen } from './scatter-gestures.js';

/** Cells along each side of the grid in which points are looked for. */
const CELLS = 128;
/** Pixels around the pointer in which a point is hit. */
const REACH = 10;
/** How much is left of what is not chosen. */
const FAINT = 0.16;
const [NEAREST, FARTHEST] = [0.8, 60];

/** Draws points on a canvas. `hover(point, x, y)`, `open(point)` and `lassoed(points)` tell what the reader does. */
export class Sheet {
  constructor(canvas, { hover = () => {}, open = () => {}, lassoed = () => {} } = {}) {
    Object.assign(this, { canvas, hover, open, lassoed });
    this.pen = canvas.getContext('2d');
    this.layer = document.createElement('canvas');
    this.layerPen = this.layer.getContext('2d', { willReadFrequently: true });
    this.points = [];
    this.view = { x: 0, y: 0, scale: 1 };
    this.chosen = null;
    this.star = null;
    this.under = null;
    this.loop = null;
    this.lasso = false;
    this.pointers = new Map();
    this.scheduled = false;
    this.stale = true;
    this.scheme = matchMedia('(prefers-color-scheme: dark)');
    this.scheme.addEventListener('change', () => this.redraw());
    new ResizeObserver(() => this.resize()).observe(canvas);
    listen(this);
    this.resize();
  }

  /** Points with `x`, `y` from -1 to 1, `kind` and `label`; `classes` are those of `classesOf`. */
  show(points, classes) {
    this.points = points;
    this.classes = classes;
    const number = new Map(classes.map((one) => [one.label, one.colour]));
    // What is drawn is kept flat: twenty thousand objects are slow to walk sixty times a second.
    this.xs = Float32Array.from(points, (point) => point.x);
    this.ys = Float32Array.from(points, (point) => point.y);
    this.sprites = Uint8Array.from(
      points,
      (point) => 2 * (number.get(point.label) ?? COLOURS.light.length) + (point.kind === 'image' ? 0 : 1),
    );
    this.grid = new Map();
    points.forEach((point, at) => {
      const cell = cellOf(point.x) * CELLS + cellOf(point.y);
      if (!this.grid.has(cell)) this.grid.set(cell, []);
      this.grid.get(cell).push(at);
    });
    this.reset();
  }

  /** Shows these classes and lets the others fade; nothing shows all. */
  highlight(labels) {
    this.chosen = labels?.size ? Uint8Array.from(this.points, (point) => labels.has(point.label)) : null;
    this.redraw();
  }

  mark(star) {
    this.star = star;
    this.redraw();
  }

  reset() {
    this.view = { x: 0, y: 0, scale: 1 };
    this.redraw();
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const [px, py] = this.toPlane(x, y);
    this.view.scale = Math.min(FARTHEST, Math.max(NEAREST, this.view.scale * factor));
    const [sx, sy] = this.toScreen(px, py);
    this.pan(x - sx, y - sy);
  }

  pan(dx, dy) {
    const unit = this.unit();
    this.view.x = Math.min(1.2, Math.max(-1.2, this.view.x - dx / unit));
    this.view.y = Math.min(1.2, Math.max(-1.2, this.view.y - dy / unit));
    this.redraw();
  }

  /** Pixels of the page that one unit of the plane takes. */
  unit() {
    return (Math.min(this.width, this.height) / 2 - 12) * this.view.scale;
  }

  toScreen(x, y) {
    const unit = this.unit();
    return [this.width / 2 + (x - this.view.x) * unit, this.height / 2 + (y - this.view.y) * unit];
  }

  toPlane(x, y) {
    const unit = this.unit();
    return [this.view.x + (x - this.width / 2) / unit, this.view.y + (y - this.height / 2) / unit];
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    [this.width, this.height] = [Math.max(box.width, 1), Math.max(box.height, 1)];
    this.ratio = Math.min(devicePixelRatio || 1, 2);
    for (const one of [this.canvas, this.layer]) {
      [one.width, one.height] = [Math.round(this.width * this.ratio), Math.round(this.height * this.ratio)];
    }
    this.redraw();
  }

  redraw() {
    this.stale = true;
    this.schedule();
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  draw() {
    if (this.stale) this.drawLayer();
    this.stale = false;
    const { pen, ratio } = this;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.drawImage(this.layer, 0, 0);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const ink = this.scheme.matches ? '#ffffff' : '#000000';
    if (this.under !== null) {
      const [x, y] = this.toScreen(this.xs[this.under], this.ys[this.under]);
      pen.strokeStyle = ink;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(x, y, this.radius() + 5, 0, 2 * Math.PI);
      pen.stroke();
    }
    if (this.star) drawStar(pen, ...this.toScreen(this.star.x, this.star.y), this.scheme.matches);
    if (this.loop?.length > 1) {
      pen.strokeStyle = ink;
      pen.lineWidth = 1.5;
      pen.setLineDash([5, 4]);
      pen.beginPath();
      for (const [x, y] of this.loop) pen.lineTo(x, y);
      pen.closePath();
      pen.stroke();
      pen.fillStyle = this.scheme.matches ? 'rgb(255 255 255 / .08)' : 'rgb(0 0 0 / .06)';
      pen.fill();
      pen.setLineDash([]);
    }
  }

  /** Half the side of a point: smaller where there are many, larger from near. */
  radius() {
    const base = Math.min(5, Math.max(1.8, 110 / Math.sqrt(this.points.length || 1)));
    return Math.min(9, base * this.view.scale ** 0.4);
  }

  /**
   * Draws all points anew. They are written into memory pixel by pixel: twenty thousand calls of a canvas take a hundred times
   * as long where there is no graphics card.
   */
  drawLayer() {
    const { layer, ratio, xs, ys } = this;
    const pen = this.layerPen;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, layer.width, layer.height);
    if (!this.points.length) return;
    const { half, strong, faint } = this.stamps(Math.max(1, Math.round(this.radius() * ratio * 2) / 2));
    // A stamp at the edge reaches over it, into a margin that is not shown.
    const [width, height] = [layer.width + 4 * half, layer.height + 4 * half];
    if (this.sheet?.width !== width || this.sheet.height !== height) {
      this.sheet = new ImageData(width, height);
      this.pixels = new Uint32Array(this.sheet.data.buffer);
    }
    const { pixels } = this;
    pixels.fill(0);
    const unit = this.unit() * ratio;
    const [left, top] = [
      2 * half + layer.width / 2 - this.view.x * unit,
      2 * half + layer.height / 2 - this.view.y * unit,
    ];
    const some = (wanted, stamps) => {
      for (let at = 0; at < xs.length; at += 1) {
        if (this.chosen && this.chosen[at] !== wanted) continue;
        const x = Math.round(left + xs[at] * unit);
        const y = Math.round(top + ys[at] * unit);
        if (x < half || y < half || x >= width - half || y >= height - half) continue;
        const { dx, dy, colours } = stamps[this.sprites[at]];
        const middle = y * width + x;
        for (let each = 0; each < colours.length; each += 1) {
          const place = middle + dy[each] * width + dx[each];
          // A soft edge does not cover what is there.
          if (pixels[place] === 0 || colours[each] >>> 24 > 127) pixels[place] = colours[each];
        }
      }
    };
    if (this.chosen) some(0, faint);
    some(1, strong);
    pen.putImageData(this.sheet, -2 * half, -2 * half);
    this.drawNames(pen);
  }

  /** The pixels of every shape in every colour, made once for a size: strong ones, and faint ones for what is not chosen. */
  stamps(radius) {
    const dark = this.scheme.matches;
    if (this.made?.radius === radius && this.made.dark === dark) return this.made;
    const half = Math.ceil(radius + 1);
    const side = 2 * half;
    const small = document.createElement('canvas');
    [small.width, small.height] = [side, side];
    const pen = small.getContext('2d', { willReadFrequently: true });
    const shape = (colour, ring) => {
      pen.clearRect(0, 0, side, side);
      pen.fillStyle = colour;
      pen.strokeStyle = colour;
      const square = Math.round(radius * 1.8) / 2;
      pen.lineWidth = Math.max(1, radius * 0.45);
      pen.beginPath();
      if (ring) pen.arc(half, half, Math.max(radius - pen.lineWidth / 2, 0.5), 0, 2 * Math.PI);
      else pen.rect(half - Math.floor(square), half - Math.floor(square), 2 * square, 2 * square);
      if (ring) pen.stroke();
      else pen.fill();
      const found = new Uint32Array(pen.getImageData(0, 0, side, side).data.buffer);
      const set = [...found.keys()].filter((at) => found[at] >>> 24 > 20);
      return {
        dx: Int32Array.from(set, (at) => (at % side) - half),
        dy: Int32Array.from(set, (at) => Math.floor(at / side) - half),
        colours: Uint32Array.from(set, (at) => found[at]),
      };
    };
    const strong = [...(dark ? COLOURS.dark : COLOURS.light), dark ? NONE.dark : NONE.light].flatMap((colour) => [
      shape(colour, false),
      shape(colour, true),
    ]);
    const faint = strong.map((stamp) => ({
      ...stamp,
      colours: stamp.colours.map((colour) => ((((colour >>> 24) * FAINT) << 24) | (colour & 0xffffff)) >>> 0),
    }));
    this.made = { radius, dark, half, strong, faint };
    return this.made;
  }

  /** Names of classes at their middles, the largest first, none over another; where colours come again, they tell. */
  drawNames(pen) {
    const dark = this.scheme.matches;
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.font = '600 12px system-ui, sans-serif';
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.lineWidth = 4;
    pen.lineJoin = 'round';
    const taken = [];
    for (const { label, x: px, y: py } of this.classes) {
      const [x, y] = this.toScreen(px, py);
      const name = label.length > 28 ? `${label.slice(0, 27)}…` : label;
      const half = pen.measureText(name).width / 2 + 4;
      if (x < -half || y < 0 || x > this.width + half || y > this.height) continue;
      if (taken.some(([ox, oy, other]) => Math.abs(ox - x) < other + half && Math.abs(oy - y) < 16)) continue;
      taken.push([x, y, half]);
      pen.strokeStyle = dark ? 'rgb(15 17 22 / .85)' : 'rgb(251 251 249 / .88)';
      pen.strokeText(name, x, y);
      pen.fillStyle = dark ? '#f4f3ef' : '#16181d';
      pen.fillText(name, x, y);
    }
  }

  /** The place of the point nearest to a place on the page, if one is within reach. */
  hit(x, y) {
    if (!this.points.length) return null;
    const [px, py] = this.toPlane(x, y);
    const reach = REACH / this.unit();
    const [fromX, toX, fromY, toY] = [cellOf(px - reach), cellOf(px + reach), cellOf(py - reach), cellOf(py + reach)];
    let [best, found] = [reach * reach, null];
    for (let cx = fromX; cx <= toX; cx += 1) {
      for (let cy = fromY; cy <= toY; cy += 1) {
        for (const at of this.grid.get(cx * CELLS + cy) ?? []) {
          if (this.chosen && !this.chosen[at]) continue;
          const away = (this.xs[at] - px) ** 2 + (this.ys[at] - py) ** 2;
          if (away < best) [best, found] = [away, at];
        }
      }
    }
    return found;
  }

  /** The points within a loop on the page. */
  within(loop) {
    const plane = loop.map(([x, y]) => this.toPlane(x, y));
    return this.points.filter((point, at) => (!this.chosen || this.chosen[at]) && inside(point.x, point.y, plane));
  }

  point(at, x, y) {
    if (at === this.under) return;
    this.under = at;
    this.canvas.style.cursor = at === null ? '' : 'pointer';
    this.hover(at === null ? null : this.points[at], x, y);
    this.schedule();
  }
}

const cellOf = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor(((value + 1) / 2) * CELLS)));

/** Whether a place lies within a loop: a ray from it crosses the loop an odd number of times. */
function inside(x, y, loop) {
  let is = false;
  for (let at = 0, before = loop.length - 1; at < loop.length; before = at, at += 1) {
    const [[ax, ay], [bx, by]] = [loop[at], loop[before]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) is = !is;
  }
  return is;
}

function drawStar(pen, x, y, dark) {
  pen.beginPath();
  for (let at = 0; at < 10; at += 1) {
    const [away, turn] = [at % 2 ? 5.5 : 13, (at * Math.PI) / 5 - Math.PI / 2];
    pen.lineTo(x + away * Math.cos(turn), y + away * Math.sin(turn));
  }
  pen.closePath();
  pen.fillStyle = '#e2c27a';
  pen.strokeStyle = dark ? '#ffffff' : '#16181d';
  pen.lineWidth = 2;
  pen.fill();
  pen.stroke();
}
