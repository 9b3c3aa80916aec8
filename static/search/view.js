// @ts-check
// The panels of the page and the states they can be in. `body[data-state]` is one of start, loading, results, empty,
// error, starting, untrained; the style sheets and the tests depend on it.

/** @import { Info } from 'api' */
/** @import { Results } from './api.js' */
/** @import { ResultList } from './result-lists.js' */
/** @import { Filter, Pane, Query, Term } from './url-state.js' */

/** @typedef {{ [pane in Pane]?: Results }} Answer The results of one pane may still be loading. */

/**
 * @typedef {object} Handlers
 * @property {(pane: Pane, index: number) => void} onOpen
 * @property {(pane: Pane) => void} onTurn Another tab was selected.
 * @property {(terms: Term[]) => void} onTerms
 * @property {(filter: Filter) => void} onFilter
 */

import { releaseImage, showImage } from '../shared/auth-image.js';
import { byId, itemUrl, make } from '../shared/dom.js';
import { formatNumber, t } from '../shared/i18n.js';
import { fetchItem } from './api.js';
import { drawFilters } from './filters.js';
import { emptyNotice, errorNotice, unsureNotice } from './notices.js';
import { drawTerms } from './query-terms.js';
import { drawPredictedLabels } from './result-cards.js';
import { captionList, imageList } from './result-lists.js';
import { cachedPicture } from './uploaded-pictures.js';
import { NO_FILTER, hasFilter, hasPictures, onlyText, paneOf } from './url-state.js';

const SLOW_AFTER_MS = 4000;
/** At this share of unknown words the page warns that the model may not understand the query. */
const MIN_UNKNOWN_RATIO = 0.5;

/** @type {Handlers} */
let handlers;
/** @type {Record<Pane, { tab: HTMLElement, pane: HTMLElement, list: ResultList }>} */
let panes;
/** @type {{ query: Query, answer: Answer } | null} */
let shown = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let slow;

/** @type {Pane[]} */
const PANES = ['captions', 'pictures'];

/** @param {Handlers} wired */
export function prepareView(wired) {
  handlers = wired;
  panes = {
    captions: {
      tab: byId('tab-captions'),
      pane: byId('captions-pane'),
      list: captionList((index) => handlers.onOpen('captions', index)),
    },
    pictures: {
      tab: byId('tab-pictures'),
      pane: byId('pictures-pane'),
      list: imageList((index) => handlers.onOpen('pictures', index)),
    },
  };
  const image = byId('asked-picture-img');
  const mat = image.closest('.mat');
  if (mat instanceof HTMLElement) mat.dataset.broken = t('search.picture-undrawn');
  image.addEventListener('error', () => byId('asked-picture').classList.add('broken'));
  byId('tabs').addEventListener('click', ({ target }) => {
    const tab = target instanceof Element ? target.closest('[role=tab]') : null;
    const name = PANES.find((each) => panes[each].tab === tab);
    if (name) handlers.onTurn(name);
  });
  byId('tabs').addEventListener('keydown', (event) => {
    const other = document.activeElement === panes.captions.tab ? 'pictures' : 'captions';
    /** @type {Record<string, Pane>} */
    const targets = { ArrowLeft: other, ArrowRight: other, Home: 'captions', End: 'pictures' };
    const name = targets[event.key];
    if (!name) return;
    event.preventDefault();
    handlers.onTurn(name);
    panes[name].tab.focus();
  });
}

export const state = () => document.body.dataset.state;

/**
 * Focuses a result; false if there is no such result.
 *
 * @param {Pane} pane
 * @param {number} index
 */
export const focusResult = (pane, index) => panes[pane].list.focus(index);

/** @param {string} next */
function setState(next) {
  clearTimeout(slow);
  document.body.dataset.state = next;
  byId('answers').setAttribute('aria-busy', String(next === 'loading'));
}

/**
 * Draws the query. With `asChips` even a single text becomes a chip, so that further terms can be added.
 *
 * @param {Query} query
 * @param {{ asChips?: boolean }} [options]
 */
export function drawQuery(query, { asChips = false } = {}) {
  const { terms } = query;
  const text = asChips ? null : onlyText(query);
  const picture = terms.length === 1 && terms[0].kind !== 'text' && terms[0].weight > 0 ? terms[0] : null;
  document.body.dataset.direction = !terms.length ? 'none' : hasPictures(query) ? 'picture' : 'text';
  document.title = terms.length ? `${nameOf(query)} · diptych` : 'diptych';
  byId('query', HTMLInputElement).value = text ?? '';
  byId('query-label').textContent = t(!terms.length || text !== null ? 'search.query-label' : 'search.query-add');
  byId('combine').hidden = text === null;
  byId('add-picture').textContent = t(hasPictures(query) ? 'search.picture-other' : 'search.picture-add');
  drawTerms(text !== null || picture ? [] : terms, handlers.onTerms);
  drawQueryPicture(picture);
  drawPredictedLabels(byId('predicted'), byId('predicted-labels'), []);
}

/**
 * The picture of a query that consists of one picture.
 *
 * @param {Term | null} term
 */
function drawQueryPicture(term) {
  const image = byId('asked-picture-img', HTMLImageElement);
  const name = byId('asked-picture-name');
  releaseImage(image);
  byId('asked-picture').hidden = !term;
  byId('asked-picture').classList.remove('broken');
  if (!term) return;
  name.textContent = term.kind === 'item' ? term.value : '';
  if (term.kind === 'item') {
    showImage(image, itemUrl(term.value, '/image'));
    drawCaption(term.value, name);
    return;
  }
  cachedPicture(term.value).then((picture) => {
    if (!picture) return;
    image.src = picture.url;
    name.textContent = picture.name || t('search.pasted');
  });
}

/**
 * Replaces the id of an item by its caption, once that is loaded.
 *
 * @param {string} id
 * @param {HTMLElement} name
 */
async function drawCaption(id, name) {
  const item = await fetchItem(id, { quiet: true }).catch(() => null);
  if (item?.captions.length && name.textContent === id) name.textContent = item.captions[0];
}

/**
 * A name for a query, such as `“bird” + “red”`.
 *
 * @param {Query} query
 */
export function nameOf({ terms }) {
  const names = terms.map(({ kind, value, weight }, index) => {
    const name = kind === 'text' ? `“${value}”` : kind === 'item' && terms.length === 1 ? value : t('search.a-picture');
    if (weight < 0) return `− ${name}`;
    return index ? `+ ${name}` : name;
  });
  return names.join(' ');
}

/** @param {Query | null} query */
function titleFor(query) {
  if (!query?.terms.length) return t('search.no-answer');
  const [first, ...others] = query.terms;
  if (others.length || first.weight < 0) return t('search.answers-to', { name: nameOf(query) });
  if (first.kind === 'text') return t('search.pictures-for', { words: first.value });
  return t(first.kind === 'item' ? 'search.similar-to-this' : 'search.answers-to-picture');
}

function clearAnswer() {
  shown = null;
  byId('notice').replaceChildren();
  for (const id of ['tabs', 'filters', 'more', 'copy-open']) byId(id).hidden = true;
  for (const { pane, list } of Object.values(panes)) {
    pane.hidden = true;
    pane.querySelector('.notice')?.remove();
    list.clear();
  }
}

export function showStart() {
  clearAnswer();
  byId('status').textContent = '';
  setState('start');
}

/** @param {Query} query */
export function showLoading(query) {
  // Old results remain, dimmed, until the new ones are there.
  if (state() !== 'results') clearAnswer();
  byId('answers-title').textContent = titleFor(query);
  byId('status').textContent = t('search.searching');
  setState('loading');
  slow = setTimeout(() => {
    byId('status').textContent = t('search.slow');
  }, SLOW_AFTER_MS);
}

/**
 * @param {string} next The state of the page.
 * @param {string} title
 * @param {HTMLElement} box
 */
export function showNotice(next, title, box) {
  clearAnswer();
  byId('answers-title').textContent = title;
  byId('status').textContent = '';
  byId('notice').append(box);
  setState(next);
}

/**
 * @param {unknown} error
 * @param {Query | null} query Null if no query was sent.
 * @param {(() => unknown) | null} retry
 */
export const showError = (error, query, retry) => showNotice('error', titleFor(query), errorNotice(error, retry));

/**
 * @param {Query} query
 * @param {Answer} answer
 */
export function drawAnswer(query, answer) {
  clearAnswer();
  shown = { query, answer };
  const name = paneOf(query);
  const results = answer[name];
  drawPredictedLabels(byId('predicted'), byId('predicted-labels'), results?.query?.predicted_labels);
  byId('answers-title').textContent = titleFor(query);
  drawFilters(query, handlers.onFilter);
  byId('copy-open').hidden = false;
  const hasTabs = hasPictures(query);
  byId('tabs').hidden = !hasTabs;
  for (const each of PANES) {
    const { pane, tab } = panes[each];
    if (hasTabs) {
      pane.setAttribute('role', 'tabpanel');
      pane.setAttribute('aria-labelledby', tab.id);
    } else for (const attribute of ['role', 'aria-labelledby']) pane.removeAttribute(attribute);
    drawTab(each, answer[each]);
  }
  setState(results?.results.length || hasTabs ? 'results' : 'empty');
  // The grid cannot be laid out while its list is hidden.
  selectPane(name);
  for (const each of PANES) {
    if (answer[each]) drawPane(each);
    else if (hasTabs) setNotice(each, make('p', { class: 'notice', text: t('search.still-looking') }));
  }
}

/**
 * Draws the pane that was loaded second, or the error that occurred instead.
 *
 * @param {Pane} name
 * @param {{ error: unknown, retry: () => unknown }} [failure]
 */
export function drawOther(name, failure) {
  if (!shown) return;
  drawTab(name, shown.answer[name]);
  if (failure) setNotice(name, errorNotice(failure.error, failure.retry));
  else drawPane(name);
  // Labels and fields to filter by come from the pictures.
  if (name === 'pictures') drawFilters(shown.query, handlers.onFilter);
  if (!panes[name].pane.hidden) drawSummary(name);
}

/**
 * Draws the page that was added to a pane.
 *
 * @param {Pane} name
 */
export function drawMore(name) {
  panes[name].list.extend();
  drawLoadingMore(name);
}

/** @param {Pane} name */
function drawPane(name) {
  const { list, pane } = panes[name];
  const results = shown?.answer[name];
  if (!shown || !results) return;
  pane.querySelector('.notice')?.remove();
  list.show(results);
  if (!results.results.length) {
    setNotice(name, emptyNotice(hasFilter(shown.query) ? () => handlers.onFilter(NO_FILTER) : null));
  } else if (results.no_confident_match) setNotice(name, unsureNotice());
}

/**
 * @param {Pane} name
 * @param {Results | undefined} results
 */
function drawTab(name, results) {
  const { tab } = panes[name];
  tab.replaceChildren(make('span', { text: t(name === 'captions' ? 'search.captions-tab' : 'search.pictures-tab') }));
  if (!results) return;
  tab.append(
    ' ',
    make('span', { class: 'tab-count', text: formatNumber(results.total), 'data-testid': `count-${name}` }),
  );
}

/**
 * @param {Pane} name
 * @param {HTMLElement} box
 */
function setNotice(name, box) {
  const { pane } = panes[name];
  pane.querySelector('.notice')?.remove();
  pane.prepend(box);
}

/** @param {Pane} name */
export function selectPane(name) {
  for (const other of PANES) {
    const { tab, pane } = panes[other];
    tab.setAttribute('aria-selected', String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    pane.hidden = other !== name;
  }
  panes[name].list.paint();
  if (shown) drawSummary(name);
}

/**
 * Draws a line such as `40 pictures · 6 ms`, with a warning where the model does not know the words.
 *
 * @param {Pane} name
 */
function drawSummary(name) {
  const answer = shown?.answer[name];
  const more = byId('more', HTMLButtonElement);
  more.hidden = !answer?.next_cursor;
  more.disabled = Boolean(answer?.loading);
  more.textContent = t(answer?.loading ? 'search.loading-more' : 'search.more');
  if (!answer) {
    byId('status').textContent = t('search.searching');
    return;
  }
  const { results, total, took_ms: took, query } = answer;
  const parts = [
    total > results.length
      ? t(`search.first-${name}`, { shown: results.length, n: total })
      : t(`shared.n-${name}`, { n: results.length }),
  ];
  if (Number.isFinite(took?.total)) parts.push(took.total < 1 ? '<1\u00a0ms' : `${Math.round(took.total)}\u00a0ms`);
  if (query?.unknown_token_ratio >= MIN_UNKNOWN_RATIO) parts.push(t('search.unknown-words'));
  byId('status').textContent = parts.join(' · ');
}

/**
 * Draws that a further page is loading, or why it could not be loaded.
 *
 * @param {Pane} name
 * @param {{ error: unknown, retry: () => unknown }} [failure]
 */
export function drawLoadingMore(name, failure) {
  drawSummary(name);
  const { pane } = panes[name];
  pane.querySelector('.more-error')?.remove();
  if (!failure) return;
  const box = errorNotice(failure.error, failure.retry);
  box.classList.add('more-error');
  pane.append(box);
}

/** @param {Info} info */
export function drawCollection({ collection, model, version }) {
  if (!collection) return;
  const counts = [
    t('shared.n-pictures', { n: collection.pictures }),
    t('shared.n-captions', { n: collection.captions }),
    t('search.n-classes', { n: collection.labels }),
  ];
  byId('collection').replaceChildren(
    make('span', { class: 'collection-counts', text: counts.join(' · ') }),
    make('span', {
      class: 'collection-model',
      text: model ? t('search.model', { version: model.version }) : `diptych ${version}`,
    }),
  );
}
