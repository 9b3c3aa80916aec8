// @ts-check
// Section "Map": a projection of the common space, with the images and captions where the model embeds them.

/** @import { Point, Projection, SearchResponse } from 'api' */
/** @import { LabelClass } from './class-colors.js' */

import { make } from '../shared/dom.js';
import { requestJson } from '../shared/http.js';
import { formatNumber, t } from '../shared/i18n.js';
import { classesOf, colorOf } from './class-colors.js';
import { action, announce, details, emptyText, errorBox, field } from './components.js';
import { fetchItem, openItem, thumbnail } from './item.js';
import { ScatterPlot } from './scatter-plot.js';

const MAX_POINTS = 20_000;
const HOVER_DELAY_MS = 70;
/** Results whose mean position stands for a query. */
const QUERY_RESULTS = 10;
/** Items of a selection that are listed. */
const MAX_LISTED = 60;

/** @param {HTMLElement} place */
export async function mapSection(place) {
  /** @type {Projection} */
  const projection = await requestJson(`/v1/map?limit=${MAX_POINTS}`);
  const { points, total, model, index_generation: generation } = projection;
  if (points.length === 0) {
    place.replaceChildren(emptyText(t('admin.no-points')));
    return;
  }
  const classes = classesOf(points);
  const canvas = make('canvas', {
    tabindex: '0',
    role: 'application',
    'aria-label': t('admin.map-label', { n: points.length }),
    'aria-describedby': 'map-how',
    'data-testid': 'map-canvas',
  });
  const card = make('div', { class: 'hover-card', hidden: true, 'aria-hidden': 'true', 'data-testid': 'hover-card' });
  const frame = make('div', { class: 'map-frame' }, canvas, card);
  const selected = make('div', { class: 'listed', 'data-testid': 'listed' });
  const errors = make('div');
  /**
   * @param {Point[]} shown
   * @param {string} name
   */
  const list = (shown, name) => selected.replaceChildren(...selection(shown, name));
  const plot = new ScatterPlot(canvas, {
    onHover: hoverCard(card, frame),
    onOpen: ({ id }) => openItem(id, canvas),
    onLasso: (shown) => list(shown, t('admin.in-lasso')),
  });
  const onLabels = (/** @type {Set<string>} */ labels) => {
    if (labels.size === 0) selected.replaceChildren();
    else
      list(
        points.filter(({ label }) => labels.has(label ?? '')),
        [...labels].join(', '),
      );
  };
  place.replaceChildren(
    make('p', {
      class: 'soft',
      text: t(total > points.length ? 'admin.map-sample' : 'admin.map-whole', {
        n: points.length,
        total,
        model,
        generation,
      }),
    }),
    make(
      'div',
      { class: 'map-bar' },
      queryForm(plot, points, errors),
      make(
        'div',
        { class: 'row' },
        lassoButton(plot, frame),
        action('admin.zoom-in', () => plot.zoom(1.5), errors),
        action('admin.zoom-out', () => plot.zoom(1 / 1.5), errors),
        action('admin.zoom-reset', () => plot.reset(), errors),
      ),
    ),
    errors,
    frame,
    make(
      'p',
      { class: 'soft legend', id: 'map-how' },
      make('span', { class: 'square' }),
      ` ${t('admin.is-picture')} · `,
      make('span', { class: 'ring' }),
      ` ${t('admin.is-caption')} · ${t('admin.map-how')}`,
    ),
    make('h3', { text: t('admin.map-classes') }),
    legend(plot, classes, onLabels),
    selected,
  );
  plot.show(points, classes);
  canvas.dataset.points = String(points.length);
}

/**
 * @param {ScatterPlot} plot
 * @param {HTMLElement} frame
 */
function lassoButton(plot, frame) {
  const node = make('button', {
    type: 'button',
    class: 'plain',
    'aria-pressed': 'false',
    text: t('admin.lasso'),
    'data-testid': 'lasso',
  });
  node.addEventListener('click', () => {
    plot.lasso = !plot.lasso;
    node.setAttribute('aria-pressed', String(plot.lasso));
    frame.classList.toggle('lassoing', plot.lasso);
  });
  return node;
}

/**
 * Returns a handler that shows the image or the caption under the pointer.
 *
 * @param {HTMLElement} card
 * @param {HTMLElement} frame
 */
function hoverCard(card, frame) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Point | null} */
  let hovered = null;

  /** @param {Point} point */
  async function content(point) {
    const item = await fetchItem(point.id);
    const isImage = point.kind === 'image';
    const image = isImage ? await thumbnail(item) : null;
    const caption = isImage ? item.captions[0] : item.captions[point.caption ?? 0];
    const facts = [t(isImage ? 'admin.is-picture' : 'admin.is-caption'), item.labels.join(', ')];
    return [
      ...(image ? [image] : []),
      make('p', { dir: 'auto', text: caption ?? point.id }),
      make('p', { class: 'soft', text: facts.filter(Boolean).join(' · ') }),
    ];
  }

  /**
   * @param {Point} point
   * @param {number} x
   * @param {number} y
   */
  async function show(point, x, y) {
    const nodes = await content(point).catch(() => [make('p', { text: point.id })]);
    if (hovered !== point) return;
    card.replaceChildren(...nodes);
    card.hidden = false;
    const isRight = x > frame.clientWidth / 2;
    card.style.left = isRight ? '' : `${x + 16}px`;
    card.style.right = isRight ? `${frame.clientWidth - x + 16}px` : '';
    card.style.top = `${Math.min(y, Math.max(0, frame.clientHeight - card.offsetHeight - 8))}px`;
  }

  /**
   * @param {Point | null} point
   * @param {number} x
   * @param {number} y
   */
  return (point, x, y) => {
    clearTimeout(timer);
    hovered = point;
    if (point) timer = setTimeout(() => show(point, x, y), HOVER_DELAY_MS);
    else card.hidden = true;
  };
}

/**
 * A form that marks where a query is: at the mean position of its best results.
 *
 * @param {ScatterPlot} plot
 * @param {Point[]} points
 * @param {HTMLElement} errors
 */
function queryForm(plot, points, errors) {
  const input = make('input', { type: 'search', autocomplete: 'off', 'data-testid': 'map-query' });
  const output = make('output', { for: 'map-query', class: 'soft', 'data-testid': 'map-found' });
  const node = make(
    'form',
    { class: 'map-query' },
    field('map-query', t('admin.map-query'), input),
    make('button', { class: 'plain', 'data-testid': 'map-ask', text: t('admin.map-ask') }),
    output,
  );
  /** @param {Pick<Point, 'kind' | 'caption' | 'id'>} point */
  const keyOf = ({ kind, caption, id }) => `${kind} ${kind === 'image' ? '' : (caption ?? '')} ${id}`;
  const byKey = new Map(points.map((point) => [keyOf(point), point]));
  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    errors.replaceChildren();
    if (!input.value.trim()) {
      plot.mark(null);
      output.textContent = '';
      return;
    }
    try {
      const json = { query: input.value, target: 'any', limit: QUERY_RESULTS };
      /** @type {SearchResponse} */
      const { results } = await requestJson('/v1/search/text', { method: 'POST', json });
      const found = results.map((hit) => byKey.get(keyOf(hit))).filter((point) => point !== undefined);
      /** @param {'x' | 'y'} axis */
      const mean = (axis) => found.reduce((sum, point) => sum + point[axis], 0) / found.length;
      plot.mark(found.length ? { x: mean('x'), y: mean('y') } : null);
      output.textContent = t(found.length ? 'admin.map-found' : 'admin.map-none', {
        n: found.length,
        of: results.length,
      });
    } catch (error) {
      errors.replaceChildren(errorBox(error));
    }
  });
  return node;
}

/**
 * Labels with their counts. Those that are pressed are highlighted.
 *
 * @param {ScatterPlot} plot
 * @param {LabelClass[]} classes
 * @param {(labels: Set<string>) => void} onChange
 */
function legend(plot, classes, onChange) {
  /** @type {Set<string>} */
  const labels = new Set();
  const darkScheme = matchMedia('(prefers-color-scheme: dark)');
  /** @type {[HTMLElement, number][]} */
  const dots = [];
  const rows = classes.map(({ label, count, color }) => {
    const dot = make('span', { class: 'dot', 'aria-hidden': 'true' });
    dots.push([dot, color]);
    const node = make(
      'button',
      { type: 'button', class: 'legend-button', 'aria-pressed': 'false', 'data-testid': 'map-class' },
      dot,
      make('span', { dir: 'auto', text: label }),
      make('span', { class: 'figure soft', text: formatNumber(count) }),
    );
    node.addEventListener('click', () => {
      if (!labels.delete(label)) labels.add(label);
      node.setAttribute('aria-pressed', String(labels.has(label)));
      plot.highlight(labels);
      onChange(labels);
    });
    return make('li', {}, node);
  });
  const setColors = () => {
    for (const [dot, color] of dots) dot.style.setProperty('--dot', colorOf(color, darkScheme.matches));
  };
  setColors();
  darkScheme.addEventListener('change', setColors);
  return make('ul', { class: 'legend-list' }, ...rows);
}

/**
 * What a lasso or labels select: counts, and the items.
 *
 * @param {Point[]} points
 * @param {string} name
 * @returns {HTMLElement[]}
 */
function selection(points, name) {
  const summary = t('admin.holds', {
    what: name,
    pictures: t('shared.n-pictures', { n: points.filter(({ kind }) => kind === 'image').length }),
    captions: t('shared.n-captions', { n: points.filter(({ kind }) => kind === 'text').length }),
  });
  announce(summary);
  const ids = [...new Set(points.map(({ id }) => id))];
  const counts = classesOf(points).map(({ label, count }) => `${label} ${formatNumber(count)}`);
  const rows = ids.slice(0, MAX_LISTED).map((id) => {
    const node = make('button', { type: 'button', class: 'link', text: id, 'data-testid': 'listed-item' });
    node.addEventListener('click', () => openItem(id));
    return make('li', {}, node);
  });
  const parts = [make('p', { 'data-testid': 'held', text: summary })];
  if (counts.length) parts.push(make('p', { class: 'soft', text: counts.join(', ') }));
  if (!rows.length) return parts;
  const items = t('admin.items-first', { n: rows.length, of: ids.length });
  return [...parts, details(items, make('ul', { class: 'groups' }, ...rows))];
}
