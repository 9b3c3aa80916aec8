// @ts-check
// The search page: reads the query from the URL, sends it to the service and shows the results.

/** @import { Query, Term } from './url-state.js' */
/** @import { Answer } from './view.js' */

import { hasKey } from '../shared/api-key.js';
import { byId } from '../shared/dom.js';
import { RequestError } from '../shared/http.js';
import { t, translatePage } from '../shared/i18n.js';
import * as api from './api.js';
import { drawExamples, randomItem } from './examples.js';
import { EXAMPLES } from './explanation.js';
import { exportDialog } from './export-dialog.js';
import { recordValues } from './filters.js';
import { itemDialog } from './item-dialog.js';
import { listenForShortcuts } from './keyboard.js';
import { appendPage, loadResults } from './load-results.js';
import { negativeQueryNotice, startingNotice, untrainedNotice } from './notices.js';
import { listenForPictures } from './picture-input.js';
import { addRecent, clearRecent, drawRecent } from './recent-queries.js';
import { storePicture } from './uploaded-pictures.js';
import * as url from './url-state.js';
import * as view from './view.js';

const STARTING_POLL_MS = 1500;
const UNTRAINED_POLL_MS = 8000;
const SHOW_LOADING_AFTER_MS = 120;
const SAVE_SCROLL_AFTER_MS = 200;
const CACHED_ANSWERS = 20;

/**
 * Answers by history entry, so that going back needs no request.
 *
 * @type {Map<string, Answer>}
 */
const cached = new Map();
/**
 * What the page shows; `answer` is null until it is loaded.
 *
 * @type {{ key: string, query: Query, answer: Answer | null } | null}
 */
let current = null;
let running = new AbortController();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let bootTimer;
/** Whether a single text is shown as a chip, because the reader adds another term. */
let addsTerm = false;

/** Shows what the current history entry stands for. */
async function route() {
  const query = url.readQuery();
  const key = url.historyKey();
  if (current?.key === key && current.answer) {
    // The same query with another tab or another open result.
    current.query = query;
    if (query.terms.length) view.selectPane(url.paneOf(query));
    openItem(query.item);
    return;
  }
  running.abort();
  running = new AbortController();
  const { signal } = running;
  addsTerm = false;
  const page = { key, query, answer: /** @type {Answer | null} */ (null) };
  current = page;
  dialog.close();
  view.drawQuery(query);
  if (!query.terms.length) {
    view.showStart();
    page.answer = {};
    openItem(query.item);
    return;
  }
  if (query.terms.every(({ weight }) => weight <= 0)) {
    view.showNotice('empty', view.nameOf(query), negativeQueryNotice());
    return;
  }
  const { scroll = 0, loaded } = url.historyState() ?? {};
  const answer = cached.get(key) ?? (await load(query, signal, loaded));
  if (!answer || signal.aborted) return;
  if (!cached.has(key)) {
    cached.set(key, answer);
    const [oldest] = cached.keys();
    if (cached.size > CACHED_ANSWERS) cached.delete(oldest);
    addRecent(query, [view.nameOf(query), ...url.filterNames(query)].join(' · '));
  }
  page.answer = answer;
  view.drawAnswer(query, answer);
  scrollTo(0, scroll);
  openItem(query.item);
  // The second pane loads in the background; its tab is there already.
  if (url.hasPictures(query) && !(answer.captions && answer.pictures)) await loadOther(query, answer, signal);
}

/**
 * Loads the results of the pane that is shown first. Shows why that failed, and then returns null.
 *
 * @param {Query} query
 * @param {AbortSignal} signal
 * @param {number | undefined} loaded
 * @returns {Promise<Answer | null>}
 */
async function load(query, signal, loaded) {
  // Quick results replace old ones without a flicker in between.
  const delay = view.state() === 'results' ? SHOW_LOADING_AFTER_MS : 0;
  const loading = setTimeout(() => view.showLoading(query), delay);
  try {
    const pane = url.paneOf(query);
    return { [pane]: await loadResults(query, pane, signal, loaded) };
  } catch (error) {
    if (signal.aborted) return null;
    if (error instanceof RequestError && ['starting', 'no_model'].includes(error.code)) waitFor(error);
    else view.showError(error, query, boot);
    return null;
  } finally {
    clearTimeout(loading);
  }
}

/**
 * @param {Query} query
 * @param {Answer} answer
 * @param {AbortSignal} signal
 */
async function loadOther(query, answer, signal) {
  const other = answer.captions ? 'pictures' : 'captions';
  try {
    answer[other] = await loadResults(query, other, signal);
    if (!signal.aborted) view.drawOther(other);
  } catch (error) {
    if (!signal.aborted) view.drawOther(other, { error, retry: () => loadOther(query, answer, signal) });
  }
}

/** Loads the next page of the pane that is shown. */
async function loadMore() {
  const page = current;
  if (!page) return;
  const { query, answer } = page;
  const pane = url.paneOf(query);
  const results = answer?.[pane];
  if (!results?.next_cursor || results.loading) return;
  results.loading = true;
  view.drawLoadingMore(pane);
  let failure;
  try {
    const next = await appendPage(results, running.signal);
    if (pane === 'pictures' && !url.hasFilter(query)) recordValues(query, { results: next.results });
  } catch (error) {
    // An expired cursor needs a new search.
    const isExpired = error instanceof RequestError && error.code === 'cursor_expired';
    failure = { error, retry: isExpired ? () => searchAgain(page.key) : loadMore };
  }
  results.loading = false;
  if (current?.answer !== answer) return;
  if (failure) {
    view.drawLoadingMore(pane, failure);
    return;
  }
  view.drawMore(pane);
  url.saveScroll(results.results.length);
  // If the reader has scrolled to the new end meanwhile, the observer saw no change and has to start over.
  end.unobserve(byId('more'));
  end.observe(byId('more'));
}

/** @param {string} key */
function searchAgain(key) {
  cached.delete(key);
  current = null;
  route();
}

/** Waits until the service is there, ready and trained, and shows what it waits for. Then starts the page. */
async function boot() {
  clearTimeout(bootTimer);
  api
    .fetchInfo()
    .then(view.drawCollection)
    .catch(() => {});
  if (!url.readQuery().terms.length) {
    try {
      await api.fetchReadiness();
    } catch (error) {
      if (error instanceof RequestError && error.status === 503) waitFor(error);
      else view.showError(error, null, boot);
      return;
    }
  }
  await route();
  drawExamples().catch(() => {});
}

/**
 * Shows what the service still needs, and tries again later.
 *
 * @param {RequestError} error
 */
function waitFor(error) {
  current = null;
  const isUntrained = error.code === 'no_model';
  if (!isUntrained) view.showNotice('starting', t('search.a-moment'), startingNotice(error.detail));
  else if (view.state() !== 'untrained') view.showNotice('untrained', t('search.not-yet'), untrainedNotice());
  clearTimeout(bootTimer);
  bootTimer = setTimeout(boot, isUntrained ? UNTRAINED_POLL_MS : STARTING_POLL_MS);
}

// ---- actions of the reader ----

/**
 * Searches for a query. With `focusAnswer` the focus moves to the results, for actions of a dialog that has closed.
 *
 * @typedef {{ replace?: boolean, focusAnswer?: boolean }} SearchOptions
 * @param {Partial<Query>} query
 * @param {SearchOptions} [options]
 */
function searchFor(query, { replace = false, focusAnswer = false } = {}) {
  url.enterQuery(query, { replace });
  if (!replace) scrollTo(0, 0);
  route();
  if (focusAnswer) byId('answers').focus();
}

/**
 * Searches for terms within the current filter.
 *
 * @param {Term[]} terms
 * @param {SearchOptions} [options]
 */
const searchForTerms = (terms, options) => searchFor({ terms, filter: url.readQuery().filter }, options);

/**
 * Searches with a picture, which replaces the previous one. Texts stay.
 *
 * @param {Term} term
 */
const searchForPicture = (term) =>
  searchForTerms([...url.readQuery().terms.filter(({ kind }) => kind === 'text'), term]);

/** @param {string | null} id */
function openItem(id) {
  if (!id) {
    dialog.close();
    return;
  }
  if (dialog.shownId() === id) return;
  const results = current?.answer?.[url.paneOf(current.query)];
  const index = results?.results.findIndex((result) => result.id === id) ?? -1;
  if (!results || index < 0) dialog.open([{ id }], 0, null);
  else dialog.open(results.results, index, results.query);
}

view.prepareView({
  onOpen(pane, index) {
    const results = current?.answer?.[pane];
    // Results of the previous query are shown until the new ones are loaded, but can no longer be opened.
    if (!results) return;
    url.alterQuery({ item: results.results[index].id }, { push: true });
    dialog.open(results.results, index, results.query);
  },
  onTurn(pane) {
    url.alterQuery({ show: pane });
    route();
  },
  onTerms(terms) {
    const filter = terms.length ? url.readQuery().filter : undefined;
    searchFor({ terms, filter }, { replace: terms.length > 0 });
  },
  onFilter: (filter) => searchFor({ ...url.readQuery(), filter, item: null }),
});

const dialog = itemDialog({
  onSimilar: (id) => searchFor({ terms: [url.itemTerm(id)] }, { focusAnswer: true }),
  onCombine: (id) => searchForTerms([...url.readQuery().terms, url.itemTerm(id)], { focusAnswer: true }),
  onLabel(label) {
    const { terms } = url.readQuery();
    const filter = { labels: [label], fields: {} };
    searchFor({ terms: terms.length ? terms : [url.textTerm(label)], filter }, { focusAnswer: true });
  },
  onTurn: (id) => url.alterQuery({ item: id }),
  onClose(index) {
    if (current?.query.terms.length) view.focusResult(url.paneOf(current.query), index);
    if (url.historyState()?.opened) history.back();
    else url.alterQuery({ item: null });
  },
  async fetchNearest() {
    if (!current) return [];
    const unfiltered = { ...current.query, filter: url.NO_FILTER };
    const pane = url.hasPictures(unfiltered) ? 'pictures' : 'captions';
    return (await api.search(unfiltered, pane, { limit: EXAMPLES, hybrid: false })).results;
  },
});
const exporting = exportDialog();

listenForPictures({
  onPicture: async (file) => searchForPicture(url.pictureTerm(await storePicture(file))),
  onItem: (id) => searchForPicture(url.itemTerm(id)),
  onError(error) {
    current = null;
    view.showError(error, null, null);
  },
});
listenForShortcuts({
  focusResults: () => view.state() === 'results' && current !== null && view.focusResult(url.paneOf(current.query), 0),
});

byId('search-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const field = byId('query', HTMLInputElement);
  // On a touch screen the keyboard would cover the results.
  if (matchMedia('(pointer: coarse)').matches) field.blur();
  const text = field.value.trim();
  const { terms } = url.readQuery();
  const isAnotherTerm = addsTerm || (terms.length > 0 && url.onlyText({ terms }) === null);
  if (!isAnotherTerm) searchFor({ terms: text ? [url.textTerm(text)] : [] });
  else if (text) searchForTerms([...terms, url.textTerm(text)]);
  else route();
});
byId('combine').addEventListener('click', () => {
  addsTerm = true;
  view.drawQuery(url.readQuery(), { asChips: true });
  byId('query').focus();
});
byId('more').addEventListener('click', loadMore);
byId('copy-open').addEventListener('click', () => {
  if (current) exporting.open(current.query, hasKey());
});
byId('asked-remove').addEventListener('click', () => {
  searchFor({ terms: [] });
  byId('query').focus();
});
byId('recent-clear').addEventListener('click', () => {
  clearRecent();
  byId('query').focus();
});
byId('surprise').addEventListener('click', async () => {
  try {
    const id = await randomItem();
    if (id) searchFor({ terms: [url.itemTerm(id)] });
  } catch (error) {
    view.showError(error, null, () => byId('surprise').click());
  }
});

document.addEventListener('click', (event) => {
  const link =
    event.target instanceof Element ? event.target.closest('a[data-words], a[data-address], #home, #skip') : null;
  if (!(link instanceof HTMLElement) || event.button !== 0) return;
  // With one of these keys a link opens elsewhere.
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const { words, address } = link.dataset;
  if (link.id === 'skip') byId('answers').focus();
  else if (address) searchFor(url.readQuery(address.slice(1)));
  else {
    const focusAnswer = Boolean(link.closest('dialog'));
    searchFor({ terms: words ? [url.textTerm(words)] : [] }, { focusAnswer });
  }
});

/** @type {ReturnType<typeof setTimeout> | undefined} */
let scrollTimer;
addEventListener(
  'scroll',
  () => {
    clearTimeout(scrollTimer);
    scrollTimer = setTimeout(() => url.saveScroll(), SAVE_SCROLL_AFTER_MS);
  },
  { passive: true },
);
document.addEventListener('key-changed', () => {
  if (hasKey()) drawExamples().catch(() => {});
});
addEventListener('popstate', () => {
  clearTimeout(scrollTimer);
  route();
});
const end = new IntersectionObserver(
  (entries) => {
    if (entries.at(-1)?.isIntersecting) loadMore();
  },
  { rootMargin: '600px' },
);
end.observe(byId('more'));

url.startHistory();
translatePage();
drawRecent();
view.drawQuery(url.readQuery());
if (url.readQuery().terms.length) view.showLoading(url.readQuery());
else view.showStart();
boot();
