// @ts-check
// The query of the page. The URL holds all of it: `q` texts, `like` items and `picture` tokens of uploaded pictures,
// in the order of the terms; `w` their weights unless each is 1; `label`, `meta.NAME` and `range.NAME` the filter;
// `show` the pane and `item` the open result. Nothing else stores a query, so a link, a reload and the Back button
// repeat it.

/** @typedef {'text' | 'item' | 'picture'} TermKind */
/**
 * A term of a query. Its value is a text, the id of an item, or the token of a picture.
 *
 * @typedef {{ kind: TermKind, value: string, weight: number }} Term
 */
/** @typedef {string | number | boolean} Scalar */
/** @typedef {{ from: number | null, to: number | null }} Range */
/** @typedef {{ any: Scalar[] }} AnyOf */
/** @typedef {{ labels: string[], fields: Record<string, AnyOf | Range> }} Filter */
/** @typedef {'captions' | 'pictures'} Pane */
/** @typedef {{ terms: Term[], filter: Filter, show: Pane | null, item: string | null }} Query */
/** @typedef {{ key: string, opened?: boolean, scroll?: number, loaded?: number }} HistoryState */

/** @type {Record<string, TermKind>} */
const KIND_OF_PARAMETER = { q: 'text', like: 'item', picture: 'picture' };
/** @type {Record<TermKind, string>} */
const PARAMETER_OF_KIND = { text: 'q', item: 'like', picture: 'picture' };

/** Largest weight that the service accepts; its negative is the smallest. */
const MAX_WEIGHT = 10;

/** @type {Filter} */
export const NO_FILTER = { labels: [], fields: {} };

/**
 * The query of a URL's search string.
 *
 * @param {string} [search]
 * @returns {Query}
 */
export function readQuery(search = location.search) {
  /** @type {Query} */
  const query = { terms: [], filter: { labels: [], fields: {} }, show: null, item: null };
  const { terms, filter } = query;
  /** @type {number[]} */
  const weights = [];
  for (const [name, value] of new URLSearchParams(search)) {
    if (KIND_OF_PARAMETER[name]) {
      if (value.trim()) terms.push({ kind: KIND_OF_PARAMETER[name], value: value.trim(), weight: 1 });
    } else if (name === 'w') weights.push(...value.split(',').map(Number));
    else if (name === 'label') filter.labels.push(value);
    else if (name.startsWith('meta.')) {
      const field = filter.fields[name.slice(5)];
      const any = field && 'any' in field ? field.any : [];
      filter.fields[name.slice(5)] = { any: [...any, parseScalar(value)] };
    } else if (name.startsWith('range.')) {
      const [from, to] = value.split('..');
      filter.fields[name.slice(6)] = { from: parseBound(from), to: parseBound(to) };
    } else if (name === 'show' && (value === 'captions' || value === 'pictures')) query.show = value;
    else if (name === 'item') query.item = value;
  }
  terms.forEach((term, index) => {
    const weight = weights[index];
    if (Number.isFinite(weight)) term.weight = Math.max(-MAX_WEIGHT, Math.min(MAX_WEIGHT, weight));
  });
  return query;
}

/**
 * The URL of a query.
 *
 * @param {Partial<Query>} query
 */
export function urlOf({ terms = [], filter, show = null, item = null }) {
  const parameters = new URLSearchParams();
  for (const { kind, value } of terms) parameters.append(PARAMETER_OF_KIND[kind], value);
  if (terms.some(({ weight }) => weight !== 1)) parameters.set('w', terms.map(({ weight }) => weight).join(','));
  for (const label of filter?.labels ?? []) parameters.append('label', label);
  for (const [name, field] of Object.entries(filter?.fields ?? {})) {
    if ('any' in field) for (const value of field.any) parameters.append(`meta.${name}`, formatScalar(value));
    else parameters.set(`range.${name}`, `${field.from ?? ''}..${field.to ?? ''}`);
  }
  if (show) parameters.set('show', show);
  if (item) parameters.set('item', item);
  const text = parameters.toString();
  return text ? `/?${text}` : '/';
}

/** @type {(value: string) => Term} */
export const textTerm = (value) => ({ kind: 'text', value, weight: 1 });
/** @type {(value: string) => Term} */
export const itemTerm = (value) => ({ kind: 'item', value, weight: 1 });
/** @type {(value: string) => Term} */
export const pictureTerm = (value) => ({ kind: 'picture', value, weight: 1 });

/**
 * The text of a query that consists of one text and nothing else, otherwise null.
 *
 * @param {Pick<Query, 'terms'>} query
 */
export const onlyText = ({ terms }) =>
  terms.length === 1 && terms[0].kind === 'text' && terms[0].weight > 0 ? terms[0].value : null;

/**
 * Whether there are pictures or items among the terms. Only then are captions results as well.
 *
 * @param {Pick<Query, 'terms'>} query
 */
export const hasPictures = ({ terms }) => terms.some(({ kind }) => kind !== 'text');

/**
 * The pane that shows the results. A picture alone is answered with captions first.
 *
 * @param {Query} query
 * @returns {Pane}
 */
export function paneOf(query) {
  const { terms, show } = query;
  if (!hasPictures(query)) return 'pictures';
  return show ?? (terms.length === 1 && terms[0].kind === 'picture' ? 'captions' : 'pictures');
}

/** @param {Query} query */
export const hasFilter = ({ filter: { labels, fields } }) => labels.length > 0 || Object.keys(fields).length > 0;

/**
 * A short description of each part of the filter.
 *
 * @param {Query} query
 */
export const filterNames = ({ filter: { labels, fields } }) => [
  ...labels,
  ...Object.entries(fields).map(
    ([name, field]) => `${name} ${'any' in field ? field.any.join(', ') : `${field.from ?? ''}–${field.to ?? ''}`}`,
  ),
];

/**
 * The filter in the form of the API; undefined if there is none.
 *
 * @param {Query} query
 */
export function apiFilter({ filter: { labels, fields } }) {
  /** @type {object[]} */
  const must = labels.length ? [{ key: 'label', match: { any: labels } }] : [];
  for (const [name, field] of Object.entries(fields)) {
    if ('any' in field) {
      if (field.any.length) must.push({ key: `meta.${name}`, match: { any: field.any } });
      continue;
    }
    const { from, to } = field;
    const range = { ...(from === null ? {} : { gte: from }), ...(to === null ? {} : { lte: to }) };
    if (Object.keys(range).length) must.push({ key: `meta.${name}`, range });
  }
  return must.length ? { must } : undefined;
}

/** @param {string | undefined} text */
function parseBound(text) {
  const value = text === undefined || text === '' ? NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}

/**
 * A value of `meta.NAME`: JSON where that is a number, a truth value or a quoted text, else the text itself.
 *
 * @param {string} text
 * @returns {Scalar}
 */
function parseScalar(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' ? text : value;
  } catch {
    return text;
  }
}

/** @param {Scalar} value */
const formatScalar = (value) =>
  typeof value === 'string' && parseScalar(value) === value ? value : JSON.stringify(value);

// ---- the history ----

let entries = 0;

// The time keeps the key apart from those of an earlier load of this page, which remain in the history.
const newKey = () => `${Date.now()}-${(entries += 1)}`;

/** @returns {HistoryState | null} */
export const historyState = () => history.state;

/** Identifies the query of the current entry; entries that only open one of its results have the same. */
export const historyKey = () => historyState()?.key ?? '';

export function startHistory() {
  history.scrollRestoration = 'manual';
  if (!historyKey()) history.replaceState({ key: newKey() }, '', location.href);
}

/**
 * Adds a history entry for a query. A query that equals the current one replaces its entry.
 *
 * @param {Partial<Query>} query
 * @param {{ replace?: boolean }} [options]
 */
export function enterQuery(query, { replace = false } = {}) {
  const url = urlOf(query);
  saveScroll();
  const same = url === location.pathname + location.search;
  history[replace || same ? 'replaceState' : 'pushState']({ key: newKey() }, '', url);
}

/**
 * Changes the pane or the open result of the current query.
 *
 * @param {Partial<Query>} change
 * @param {{ push?: boolean }} [options]
 */
export function alterQuery(change, { push = false } = {}) {
  if (push) saveScroll();
  const state = { ...historyState(), opened: push || (historyState()?.opened ?? false) };
  if (change.item === null) state.opened = false;
  history[push ? 'pushState' : 'replaceState'](state, '', urlOf({ ...readQuery(), ...change }));
}

/**
 * Saves the scroll position and the number of loaded results, which are restored when the reader returns to the entry.
 *
 * @param {number} [loaded]
 */
export function saveScroll(loaded = historyState()?.loaded) {
  history.replaceState({ ...historyState(), scroll: Math.round(scrollY), loaded }, '', location.href);
}
