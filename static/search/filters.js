// @ts-check
// Filters by label and by the items' own fields. A field with few values has a chip for each, a field with many
// numbers a range.

/** @import { Hit, SearchResponse } from 'api' */
/** @import { Filter, Query, Range, AnyOf, Scalar } from './url-state.js' */
/** @typedef {Map<Scalar, number>} ValueCounts */
/** @typedef {{ labels: Record<string, number>, fields: Map<string, ValueCounts>, hits: number }} Known */
/** @typedef {(filter: Filter) => void} OnChange */

import { button, byId, make } from '../shared/dom.js';
import { t } from '../shared/i18n.js';
import { NO_FILTER, hasFilter, urlOf } from './url-state.js';

const FIRST_LABELS = 8;
const MAX_VALUES = 8;
/** A field is offered if at least this share of the results has it. */
const MIN_SHARE = 0.25;
const MAX_QUERIES = 20;
/** Names that the filter syntax of the API can address. */
const FIELD_NAME = /^[^."\\\0]+$/;

/**
 * Labels and values in the unfiltered results, by query.
 *
 * @type {Map<string, Known>}
 */
const knownOf = new Map();

/** @param {Query} query */
const keyOf = (query) => urlOf({ terms: query.terms });

/** @returns {Known} */
const nothing = () => ({ labels: {}, fields: new Map(), hits: 0 });

/**
 * Records the labels and values in results of the query without its filter.
 *
 * @param {Query} query
 * @param {{ results: Hit[], facets?: SearchResponse['facets'] }} response
 */
export function recordValues(query, { facets, results }) {
  const key = keyOf(query);
  const known = knownOf.get(key) ?? nothing();
  known.hits += results.length;
  if (facets?.label) known.labels = facets.label;
  for (const { meta } of results) {
    for (const [name, value] of Object.entries(meta ?? {})) {
      if (!FIELD_NAME.test(name)) continue;
      if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') continue;
      const counts = known.fields.get(name) ?? new Map();
      known.fields.set(name, counts.set(value, (counts.get(value) ?? 0) + 1));
    }
  }
  knownOf.delete(key);
  knownOf.set(key, known);
  const [oldest] = knownOf.keys();
  if (knownOf.size > MAX_QUERIES) knownOf.delete(oldest);
}

/** @param {Query} query */
export const hasValues = (query) => knownOf.has(keyOf(query));

let showsAllLabels = false;

/**
 * Draws the filters of a query.
 *
 * @param {Query} query
 * @param {OnChange} onChange
 */
export function drawFilters(query, onChange) {
  const { labels, fields, hits } = knownOf.get(keyOf(query)) ?? nothing();
  const { filter } = query;
  const box = byId('filters');
  const active = document.activeElement;
  const focused = active instanceof HTMLElement && box.contains(active) ? active.dataset.name : undefined;
  const rows = [
    labelRow(labels, filter, onChange, () => drawFilters(query, onChange)),
    ...[...fields].map(([name, counts]) => fieldRow(name, counts, hits, filter, onChange)),
  ].filter((row) => row !== null);
  if (hasFilter(query)) {
    rows.push(
      button({ class: 'plain', text: t('search.filter-none'), 'data-name': 'none', 'data-testid': 'filter-none' }, () =>
        onChange(NO_FILTER),
      ),
    );
  }
  box.replaceChildren(...rows);
  box.hidden = rows.length === 0;
  // The control that the reader used was replaced; its successor gets the focus.
  for (const node of box.querySelectorAll('[data-name]')) {
    if (node instanceof HTMLElement && focused !== undefined && node.dataset.name === focused) node.focus();
  }
}

/**
 * @param {Record<string, number>} counts
 * @param {Filter} filter
 * @param {OnChange} onChange
 * @param {() => void} redraw
 */
function labelRow(counts, filter, onChange, redraw) {
  const sorted = Object.entries(counts).sort(([a, x], [b, y]) => y - x || a.localeCompare(b));
  // A link may filter by a label that no result has.
  for (const label of filter.labels) if (!(label in counts)) sorted.push([label, 0]);
  if (sorted.length < 2 && !filter.labels.length) return null;
  const shown = showsAllLabels
    ? sorted
    : sorted.filter(([label], index) => index < FIRST_LABELS || filter.labels.includes(label));
  const chips = shown.map(([label, count]) => {
    const on = filter.labels.includes(label);
    const labels = on ? filter.labels.filter((other) => other !== label) : [...filter.labels, label];
    return make(
      'li',
      {},
      choice(`label:${label}`, label, count, on, 'label-filter', () => onChange({ ...filter, labels })),
    );
  });
  const rest = sorted.length - shown.length;
  if (rest > 0 || showsAllLabels) {
    const text = showsAllLabels ? t('search.labels-fewer') : t('search.labels-more', { n: rest });
    const toggle = () => {
      showsAllLabels = !showsAllLabels;
      redraw();
    };
    chips.push(make('li', {}, button({ class: 'plain', text, 'data-name': 'all' }, toggle)));
  }
  return filterRow(t('search.only-in'), chips);
}

/**
 * @param {string} name
 * @param {ValueCounts} counts
 * @param {number} hits
 * @param {Filter} filter
 * @param {OnChange} onChange
 */
function fieldRow(name, counts, hits, filter, onChange) {
  const selected = filter.fields[name];
  const having = [...counts.values()].reduce((sum, count) => sum + count, 0);
  if ((counts.size < 2 || having < hits * MIN_SHARE) && !selected) return null;
  /** @param {AnyOf | Range | null} value */
  const set = (value) => {
    const { [name]: _, ...others } = filter.fields;
    onChange({ ...filter, fields: value ? { ...others, [name]: value } : others });
  };
  const range = selected && !('any' in selected) ? selected : undefined;
  if (counts.size > MAX_VALUES || range) {
    const numbers = [...counts.keys()].filter((value) => typeof value === 'number');
    return numbers.length * 2 >= counts.size ? rangeRow(name, numbers, range, set) : null;
  }
  const any = selected && 'any' in selected ? selected.any : [];
  for (const value of any) if (!counts.has(value)) counts.set(value, 0);
  const chips = [...counts].map(([value, count]) => {
    const on = any.includes(value);
    const values = on ? any.filter((other) => other !== value) : [...any, value];
    const toggle = () => set(values.length ? { any: values } : null);
    return make('li', {}, choice(`${name}:${value}`, String(value), count, on, 'field-filter', toggle));
  });
  return filterRow(name, chips);
}

/**
 * @param {string} name
 * @param {number[]} numbers
 * @param {Range | undefined} selected
 * @param {(range: Range | null) => void} set
 */
function rangeRow(name, numbers, selected, set) {
  const [min, max] = numbers.length ? [Math.min(...numbers), Math.max(...numbers)] : [null, null];
  /**
   * @param {number | null | undefined} value
   * @param {number | null} placeholder
   * @param {string} label
   */
  const bound = (value, placeholder, label) =>
    make('input', {
      type: 'number',
      step: 'any',
      value,
      placeholder,
      'aria-label': `${name}: ${label}`,
      'data-name': `${name}:${label}`,
      'data-testid': 'range-filter',
    });
  const from = bound(selected?.from, min, t('search.from'));
  const to = bound(selected?.to, max, t('search.to'));
  /** @param {HTMLInputElement} input */
  const valueOf = ({ value }) => (value === '' ? null : Number(value));
  for (const input of [from, to]) {
    input.addEventListener('change', () => {
      const range = { from: valueOf(from), to: valueOf(to) };
      set(range.from === null && range.to === null ? null : range);
    });
  }
  return filterRow(name, [
    make('li', { class: 'range' }, from, make('span', { text: '–', 'aria-hidden': 'true' }), to),
  ]);
}

/**
 * @param {string} name
 * @param {string} text
 * @param {number} count
 * @param {boolean} on
 * @param {string} testid
 * @param {() => void} toggle
 */
function choice(name, text, count, on, testid, toggle) {
  const node = button(
    { class: 'choice', 'aria-pressed': String(on), 'data-name': name, 'data-testid': testid },
    toggle,
  );
  node.append(
    make('span', { dir: 'auto', text }),
    count ? make('span', { class: 'chip-extra', text: String(count) }) : '',
  );
  return node;
}

/**
 * @param {string} name
 * @param {HTMLElement[]} chips
 * @returns {HTMLElement}
 */
const filterRow = (name, chips) =>
  make(
    'div',
    { class: 'filter-row' },
    make('span', { class: 'filter-name', dir: 'auto', text: name }),
    make('ul', { class: 'choices', 'aria-label': name }, ...chips),
  );
