// What is being asked. The address carries all of it: `q` words, `like` an item, `picture` the token of a picture, in the order of
// the terms, `w` their weights unless each is 1; `label`, `meta.NAME` and `range.NAME` the filter; `show` the tab, `item` what is
// open. Nothing else remembers a question, so that a link, a reload and the Back button ask the same again.

const TERMS = { q: 'text', like: 'item', picture: 'picture' };
const NAMES = { text: 'q', item: 'like', picture: 'picture' };

export const HEAVIEST = 2;

/** Everything counts. */
export const NO_FILTER = { labels: [], fields: {} };

/** The question of an address: { terms, filter: { labels, fields }, show, item }. */
export function read(search = location.search) {
  const asked = { terms: [], filter: { labels: [], fields: {} }, show: null, item: null };
  const weights = [];
  for (const [name, value] of new URLSearchParams(search)) {
    if (TERMS[name]) {
      if (value.trim()) asked.terms.push({ kind: TERMS[name], value: value.trim(), weight: 1 });
    } else if (name === 'w') weights.push(...value.split(',').map(Number));
    else if (name === 'label') asked.filter.labels.push(value);
    else if (name.startsWith('meta.'))
      ((asked.filter.fields[name.slice(5)] ??= { any: [] }).any ??= []).push(scalar(value));
    else if (name.startsWith('range.')) {
      const [from, to] = value.split('..').map((end) => (end === '' ? null : Number(end)));
      asked.filter.fields[name.slice(6)] = { from: finite(from), to: finite(to) };
    } else if (name === 'show' && ['captions', 'pictures'].includes(value)) asked.show = value;
    else if (name === 'item') asked.item = value;
  }
  asked.terms.forEach((term, place) => {
    const weight = weights[place];
    if (Number.isFinite(weight)) term.weight = Math.max(-HEAVIEST, Math.min(HEAVIEST, weight));
  });
  return asked;
}

/** The address of a question. */
export function address({ terms = [], filter, show = null, item = null }) {
  const parameters = new URLSearchParams();
  for (const { kind, value } of terms) parameters.append(NAMES[kind], value);
  if (terms.some(({ weight = 1 }) => weight !== 1))
    parameters.set('w', terms.map(({ weight = 1 }) => weight).join(','));
  for (const label of filter?.labels ?? []) parameters.append('label', label);
  for (const [name, { any, from, to }] of Object.entries(filter?.fields ?? {})) {
    if (any) for (const value of any) parameters.append(`meta.${name}`, written(value));
    else parameters.set(`range.${name}`, `${from ?? ''}..${to ?? ''}`);
  }
  if (show) parameters.set('show', show);
  if (item) parameters.set('item', item);
  const text = parameters.toString();
  return text ? `/?${text}` : '/';
}

export const words = (value, weight = 1) => ({ kind: 'text', value, weight });
export const like = (value, weight = 1) => ({ kind: 'item', value, weight });
export const picture = (value, weight = 1) => ({ kind: 'picture', value, weight });

/** The words, where a question is words and nothing else. */
export const onlyWords = ({ terms }) =>
  terms.length === 1 && terms[0].kind === 'text' && terms[0].weight > 0 ? terms[0].value : null;

/** Whether pictures or items are among the terms: then captions are an answer too. */
export const pictured = ({ terms }) => terms.some(({ kind }) => kind !== 'text');

/** Which half of the answer is shown: of a picture alone first what it is called. */
export const half = (asked) =>
  !pictured(asked)
    ? 'pictures'
    : (asked.show ?? (asked.terms.length === 1 && asked.terms[0].kind === 'picture' ? 'captions' : 'pictures'));

export const filtered = ({ filter: { labels, fields } }) => labels.length > 0 || Object.keys(fields).length > 0;

/** What each part of the filter is called. */
export const filterNames = ({ filter: { labels, fields } }) => [
  ...labels,
  ...Object.entries(fields).map(
    ([name, { any, from, to }]) => `${name} ${any ? any.join(', ') : `${from ?? ''}–${to ?? ''}`}`,
  ),
];

/** The filter as the service takes it, or undefined. */
export function serviceFilter({ filter: { labels, fields } }) {
  const must = labels.length ? [{ key: 'label', match: { any: labels } }] : [];
  for (const [name, { any, from, to }] of Object.entries(fields)) {
    const range = { ...(from === null ? {} : { gte: from }), ...(to === null ? {} : { lte: to }) };
    if (any?.length) must.push({ key: `meta.${name}`, match: { any } });
    else if (Object.keys(range).length) must.push({ key: `meta.${name}`, range });
  }
  return must.length ? { must } : undefined;
}

const finite = (value) => (Number.isFinite(value) ? value : null);

/** Of texts that look like numbers or truth values the quotes tell which they are. */
function scalar(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' ? text : value;
  } catch {
    return text;
  }
}

const written = (value) => (typeof value === 'string' && scalar(value) === value ? value : JSON.stringify(value));

// ---- the history ----

let made = 0;
// Entries of an earlier load of this page live on in the history, hence the time.
const newKey = () => `${Date.now()}-${(made += 1)}`;

/** Names the question of the current entry; entries that only open one of its results share it. */
export const entry = () => history.state?.key;

export function begin() {
  history.scrollRestoration = 'manual';
  if (!history.state?.key) history.replaceState({ key: newKey() }, '', location.href);
}

/** Makes a history entry of a question; the same question again takes the place of its entry. */
export function enter(asked, { replace = false } = {}) {
  const url = address(asked);
  keepPlace();
  history[replace || url === location.pathname + location.search ? 'replaceState' : 'pushState'](
    { key: newKey() },
    '',
    url,
  );
}

/** The same question with another tab, or with a result open. */
export function alter(change, { push = false } = {}) {
  if (push) keepPlace();
  const state = { ...history.state, opened: push || (history.state?.opened ?? false) };
  if (change.item === null) state.opened = false;
  history[push ? 'pushState' : 'replaceState'](state, '', address({ ...read(), ...change }));
}

/** Notes how far the reader has come, for when the entry is come back to. */
export function keepPlace(loaded = history.state?.loaded) {
  history.replaceState({ ...history.state, scroll: Math.round(scrollY), loaded }, '', location.href);
}
