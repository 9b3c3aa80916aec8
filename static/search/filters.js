// Which results count: labels with how many bear them, and what the items' own fields say. A field of few values has a chip for
// each, a field of many numbers a range.

import { button, byId, make } from '../shared/dom.js';
import { NO_FILTER, address } from './url-state.js';
import { t } from '../shared/i18n.js';

const FIRST_LABELS = 8;
const MOST_VALUES = 8;
/** A field that fewer of the results have is no way to tell them apart. */
const LEAST_SHARE = 0.25;
const KEPT = 20;
const NAME = /^[^."\\\0]+$/;

/** What the answers hold when nothing is filtered, by question: { labels, fields }. */
const seen = new Map();

const keyOf = (asked) => address({ terms: asked.terms });

/** Notes what an answer to the unfiltered question holds. */
export function noteAll(asked, { facets, results }) {
  const key = keyOf(asked);
  const known = seen.get(key) ?? { labels: {}, fields: new Map(), results: 0 };
  known.results += results.length;
  if (facets?.label) known.labels = facets.label;
  for (const { meta } of results) {
    for (const [name, value] of Object.entries(meta ?? {})) {
      if (!NAME.test(name) || !['string', 'number', 'boolean'].includes(typeof value)) continue;
      const values = known.fields.get(name) ?? new Map();
      known.fields.set(name, values.set(value, (values.get(value) ?? 0) + 1));
    }
  }
  seen.delete(key);
  seen.set(key, known);
  if (seen.size > KEPT) seen.delete(seen.keys().next().value);
}

export const knowsAll = (asked) => seen.has(keyOf(asked));

let allLabels = false;

/** Draws the filters of a question. `changed(filter)` hears of another one. */
export function drawFilters(asked, changed) {
  const { labels, fields, results } = seen.get(keyOf(asked)) ?? { labels: {}, fields: new Map(), results: 0 };
  const { filter } = asked;
  const box = byId('filters');
  const within = box.contains(document.activeElement) ? document.activeElement.dataset.name : null;
  const rows = [
    labelRow(labels, filter, changed, () => drawFilters(asked, changed)),
    ...[...fields].map(([name, values]) => fieldRow(name, values, results, filter, changed)),
  ].filter(Boolean);
  if (filter.labels.length || Object.keys(filter.fields).length) {
    rows.push(
      button({ class: 'plain', text: t('search.filter-none'), 'data-name': 'none', 'data-testid': 'filter-none' }, () =>
        changed(NO_FILTER),
      ),
    );
  }
  box.replaceChildren(...rows);
  box.hidden = rows.length === 0;
  // What was chosen is drawn anew; the reader stays with it.
  if (within) [...box.querySelectorAll('[data-name]')].find((node) => node.dataset.name === within)?.focus();
}

function labelRow(counts, filter, changed, again) {
  const sorted = Object.entries(counts).sort(([a, x], [b, y]) => y - x || a.localeCompare(b));
  // A link may filter by a label that the answer does not have.
  for (const label of filter.labels) if (!(label in counts)) sorted.push([label, 0]);
  if (sorted.length < 2 && !filter.labels.length) return null;
  const shown = allLabels
    ? sorted
    : sorted.filter(([label], place) => place < FIRST_LABELS || filter.labels.includes(label));
  const chips = shown.map(([label, n]) => {
    const on = filter.labels.includes(label);
    return make(
      'li',
      {},
      choice(`label:${label}`, label, n, on, 'label-filter', () =>
        changed({
          ...filter,
          labels: on ? filter.labels.filter((other) => other !== label) : [...filter.labels, label],
        }),
      ),
    );
  });
  const rest = sorted.length - shown.length;
  if (rest > 0 || allLabels) {
    chips.push(
      make(
        'li',
        {},
        button(
          {
            class: 'plain',
            text: allLabels ? t('search.labels-fewer') : t('search.labels-more', { n: rest }),
            'data-name': 'all',
          },
          () => {
            allLabels = !allLabels;
            again();
          },
        ),
      ),
    );
  }
  return row(t('search.only-in'), chips);
}

function fieldRow(name, values, results, filter, changed) {
  const chosen = filter.fields[name];
  const having = [...values.values()].reduce((sum, n) => sum + n, 0);
  if ((values.size < 2 || having < results * LEAST_SHARE) && !chosen) return null;
  const put = (value) => {
    const { [name]: _, ...others } = filter.fields;
    changed({ ...filter, fields: value ? { ...others, [name]: value } : others });
  };
  if (values.size > MOST_VALUES || (chosen && !chosen.any)) {
    const numbers = [...values.keys()].filter((value) => typeof value === 'number');
    return numbers.length * 2 >= values.size ? rangeRow(name, numbers, chosen, put) : null;
  }
  const any = chosen?.any ?? [];
  for (const value of any) if (!values.has(value)) values.set(value, 0);
  const chips = [...values].map(([value, n]) => {
    const on = any.includes(value);
    const rest = any.filter((other) => other !== value);
    return make(
      'li',
      {},
      choice(`${name}:${value}`, String(value), n, on, 'field-filter', () =>
        put(on ? rest.length && { any: rest } : { any: [...any, value] }),
      ),
    );
  });
  return row(name, chips);
}

function rangeRow(name, numbers, chosen, put) {
  const [least, most] = numbers.length ? [Math.min(...numbers), Math.max(...numbers)] : [null, null];
  const end = (value, hint, said) =>
    make('input', {
      type: 'number',
      step: 'any',
      value,
      placeholder: hint,
      'aria-label': `${name}: ${said}`,
      'data-name': `${name}:${said}`,
      'data-testid': 'range-filter',
    });
  const from = end(chosen?.from, least, t('search.from'));
  const to = end(chosen?.to, most, t('search.to'));
  const read = ({ value }) => (value === '' ? null : Number(value));
  for (const field of [from, to]) {
    field.addEventListener('change', () => {
      const range = { from: read(from), to: read(to) };
      put(range.from === null && range.to === null ? null : range);
    });
  }
  return row(name, [make('li', { class: 'range' }, from, make('span', { text: '–', 'aria-hidden': 'true' }), to)]);
}

function choice(name, text, n, on, testid, act) {
  const node = button({ class: 'choice', 'aria-pressed': String(on), 'data-name': name, 'data-testid': testid }, act);
  node.append(make('span', { dir: 'auto', text }), n ? make('span', { class: 'chip-extra', text: String(n) }) : '');
  return node;
}

const row = (name, chips) =>
  make(
    'div',
    { class: 'filter-row' },
    make('span', { class: 'filter-name', dir: 'auto', text: name }),
    make('ul', { class: 'choices', 'aria-label': name }, ...chips),
  );
