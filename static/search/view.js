// The panels of the page and the states they can be in. `body[data-state]` is one of start, loading, results, empty,
// error, starting, untrained; the style sheet and the tests go by it.

import { item as fetchItem } from './api.js';
import { byId, itemUrl, make } from '../shared/dom.js';
import { drawFilters } from './filters.js';
import { captionList, pictureList } from './result-lists.js';
import { emptyNotice, errorNotice, unsureNotice } from './notices.js';
import { release, show as showPicture } from '../shared/auth-image.js';
import { NO_FILTER, filtered, half, onlyWords, pictured } from './url-state.js';
import { predictedLabels } from './result-cards.js';
import { kept } from './uploaded-pictures.js';
import { drawTerms } from './query-terms.js';
import { number, t } from '../shared/i18n.js';

const SLOW_AFTER_MS = 4000;

const panes = {};
let told = {};
let shown = null;
let slow = 0;

/** Wires the panels: `open(half, number)` opens a result, `turn(half)` is another tab, `terms` and `filter` hear of changes. */
export function prepare(wires) {
  told = wires;
  panes.captions = {
    tab: byId('tab-captions'),
    pane: byId('captions-pane'),
    list: captionList((at) => told.open('captions', at)),
  };
  panes.pictures = {
    tab: byId('tab-pictures'),
    pane: byId('pictures-pane'),
    list: pictureList((at) => told.open('pictures', at)),
  };
  byId('asked-picture-img').closest('.mat').dataset.broken = t('search.picture-undrawn');
  byId('asked-picture-img').addEventListener('error', () => byId('asked-picture').classList.add('broken'));
  byId('tabs').addEventListener('click', (event) => {
    const name = Object.keys(panes).find((each) => panes[each].tab === event.target.closest('[role=tab]'));
    if (name) told.turn(name);
  });
  byId('tabs').addEventListener('keydown', (event) => {
    if (!['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(event.key)) return;
    event.preventDefault();
    const other = document.activeElement === panes.captions.tab ? 'pictures' : 'captions';
    const name = { Home: 'captions', End: 'pictures' }[event.key] ?? other;
    told.turn(name);
    panes[name].tab.focus();
  });
}

export const state = () => document.body.dataset.state;
export const focusResult = (name, number) => panes[name].list.focus(number);

function setState(next) {
  clearTimeout(slow);
  document.body.dataset.state = next;
  byId('answers').setAttribute('aria-busy', String(next === 'loading'));
}

/** Draws the question; `asChips` shows even words alone as a term, for others to come beside it. */
export function drawQuestion(asked, { asChips = false } = {}) {
  const { terms } = asked;
  const words = asChips ? null : onlyWords(asked);
  const alone = terms.length === 1 && terms[0].kind !== 'text' && terms[0].weight > 0 ? terms[0] : null;
  document.body.dataset.direction = !terms.length ? 'none' : pictured(asked) ? 'picture' : 'text';
  document.title = terms.length ? `${nameOf(asked)} · diptych` : 'diptych';
  byId('query').value = words ?? '';
  byId('query-label').textContent = t(!terms.length || words !== null ? 'search.query-label' : 'search.query-add');
  byId('combine').hidden = words === null;
  byId('add-picture').textContent = t(pictured(asked) ? 'search.picture-other' : 'search.picture-add');
  drawTerms(words !== null || alone ? [] : terms, told.terms);
  drawAlone(alone);
  predictedLabels(byId('predicted'), byId('predicted-labels'), []);
}

/** The picture, where it is all that was asked with. */
function drawAlone(term) {
  const image = byId('asked-picture-img');
  release(image);
  byId('asked-picture').hidden = !term;
  byId('asked-picture').classList.remove('broken');
  if (!term) return;
  byId('asked-picture-name').textContent = term.kind === 'item' ? term.value : '';
  if (term.kind === 'item') {
    showPicture(image, itemUrl(term.value, '/image'));
    named(term.value);
  } else {
    kept(term.value).then((picture) => {
      if (!picture) return;
      image.src = picture.url;
      byId('asked-picture-name').textContent = picture.name || t('search.pasted');
    });
  }
}

/** An item is called by its caption, as soon as that is known. */
async function named(id) {
  const place = byId('asked-picture-name');
  const { captions } = await fetchItem(id, { quiet: true }).catch(() => ({ captions: [] }));
  if (captions.length && place.textContent === id) place.textContent = captions[0];
}

/** What a question is called: `“bird” + “red”`. */
export function nameOf({ terms }) {
  const each = terms.map(({ kind, value, weight }, place) => {
    const name = kind === 'text' ? `“${value}”` : kind === 'item' && terms.length === 1 ? value : t('search.a-picture');
    return weight < 0 ? `− ${name}` : place ? `+ ${name}` : name;
  });
  return each.join(' ');
}

function titleFor(asked) {
  if (!asked?.terms.length) return t('search.no-answer');
  const [only, ...others] = asked.terms;
  if (others.length || only.weight < 0) return t('search.answers-to', { name: nameOf(asked) });
  if (only.kind === 'text') return t('search.pictures-for', { words: only.value });
  return t(only.kind === 'item' ? 'search.similar-to-this' : 'search.answers-to-picture');
}

function clearAnswers() {
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
  clearAnswers();
  byId('status').textContent = '';
  setState('start');
}

export function showLoading(asked) {
  // The old answers stay, dimmed, until the new ones are there.
  if (state() !== 'results') clearAnswers();
  byId('answers-title').textContent = titleFor(asked);
  byId('status').textContent = t('search.searching');
  setState('loading');
  slow = setTimeout(() => {
    byId('status').textContent = t('search.slow');
  }, SLOW_AFTER_MS);
}

export function showNotice(next, title, box) {
  clearAnswers();
  byId('answers-title').textContent = title;
  byId('status').textContent = '';
  byId('notice').append(box);
  setState(next);
}

/** `asked` is null where the question itself was refused before it was asked. */
export const showError = (error, asked, retry) => showNotice('error', titleFor(asked), errorNotice(error, retry));

/** Shows an answer: { captions, pictures }, of which the half that is not asked for first may still be on its way. */
export function drawAnswer(asked, answer) {
  clearAnswers();
  shown = { asked, answer };
  const name = half(asked);
  const main = answer[name];
  predictedLabels(byId('predicted'), byId('predicted-labels'), main.query?.predicted_labels);
  byId('answers-title').textContent = titleFor(asked);
  drawFilters(asked, told.filter);
  byId('copy-open').hidden = false;
  const tabs = pictured(asked);
  byId('tabs').hidden = !tabs;
  for (const [each, { pane, tab }] of Object.entries(panes)) {
    if (tabs) {
      pane.setAttribute('role', 'tabpanel');
      pane.setAttribute('aria-labelledby', tab.id);
    } else for (const attribute of ['role', 'aria-labelledby']) pane.removeAttribute(attribute);
    nameTab(each, answer[each]);
  }
  setState(main.results.length || tabs ? 'results' : 'empty');
  // A hidden list has no width to be laid out in.
  select(name);
  for (const each of Object.keys(panes)) {
    if (answer[each]) fillPane(each);
    else if (tabs) setAside(each, make('p', { class: 'notice', text: t('search.still-looking') }));
  }
}

/** The other half of an answer: its results are there, or in their place what went wrong. */
export function drawOther(name, { error, retry } = {}) {
  if (!shown) return;
  nameTab(name, shown.answer[name]);
  if (error) setAside(name, errorNotice(error, retry));
  else fillPane(name);
  // Which classes and fields there are is known from the pictures.
  if (name === 'pictures') drawFilters(shown.asked, told.filter);
  if (!panes[name].pane.hidden) sum(name);
}

/** A page more of a half is there. */
export function drawMore(name) {
  panes[name].list.grown();
  drawLoading(name);
}

function fillPane(name) {
  const { list, pane } = panes[name];
  const { asked, answer } = shown;
  pane.querySelector('.notice')?.remove();
  list.show(answer[name]);
  const { results, no_confident_match: unsure } = answer[name];
  if (!results.length) {
    setAside(name, emptyNotice(filtered(asked) ? () => told.filter(NO_FILTER) : null));
  } else if (unsure) setAside(name, unsureNotice());
}

function nameTab(name, answer) {
  const { tab } = panes[name];
  tab.replaceChildren(make('span', { text: t(name === 'captions' ? 'search.captions-tab' : 'search.pictures-tab') }));
  if (answer)
    tab.append(' ', make('span', { class: 'tab-count', text: number(answer.total), 'data-testid': `count-${name}` }));
}

function setAside(name, box) {
  const { pane } = panes[name];
  pane.querySelector('.notice')?.remove();
  pane.prepend(box);
}

export function select(name) {
  for (const [other, { tab, pane }] of Object.entries(panes)) {
    tab.setAttribute('aria-selected', String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    pane.hidden = other !== name;
  }
  panes[name].list.paint();
  if (shown) sum(name);
}

/** `40 pictures in 6 ms`, and a word of doubt where the service has one. */
function sum(name) {
  const answer = shown.answer[name];
  const more = byId('more');
  more.hidden = !answer?.next_cursor;
  more.disabled = Boolean(answer?.loading);
  more.textContent = t(answer?.loading ? 'search.loading-more' : 'search.more');
  if (!answer) {
    byId('status').textContent = t('search.searching');
    return;
  }
  const { results, total, took_ms: took, query } = answer;
  const kind = name === 'captions' ? 'captions' : 'pictures';
  const parts = [
    total > results.length
      ? t(`search.first-${kind}`, { shown: results.length, n: total })
      : t(`shared.n-${kind}`, { n: results.length }),
  ];
  if (Number.isFinite(took?.total)) parts.push(took.total < 1 ? '<1\u00a0ms' : `${Math.round(took.total)}\u00a0ms`);
  if (query?.unknown_token_ratio >= 0.5) parts.push(t('search.unknown-words'));
  byId('status').textContent = parts.join(' · ');
}

/** A page more is on its way, or could not come. */
export function drawLoading(name, error, retry) {
  sum(name);
  panes[name].pane.querySelector('.more-error')?.remove();
  if (!error) return;
  const box = errorNotice(error, retry);
  box.classList.add('more-error');
  panes[name].pane.append(box);
}

export function drawCollection({ collection, model, version }) {
  if (!collection) return;
  const parts = [
    t('shared.n-pictures', { n: collection.pictures }),
    t('shared.n-captions', { n: collection.captions }),
    t('search.n-classes', { n: collection.labels }),
  ];
  byId('collection').replaceChildren(
    make('span', { class: 'collection-counts', text: parts.join(' · ') }),
    make('span', {
      class: 'collection-model',
      text: model ? t('search.model', { version: model.version }) : `diptych ${version}`,
    }),
  );
}
