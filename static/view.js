// The panels of the page and the states they can be in. `body[data-state]` is one of start, loading, results, empty,
// error, starting, untrained; the style sheet and the tests go by it.

import { byId, count, itemUrl, labelChip, make } from './dom.js';
import { itemDialog } from './dialog.js';
import { emptyNotice, errorNotice } from './notices.js';
import { captionLines, plates, predictedLabels, walkWithArrows } from './results.js';

const panes = {
  captions: pane('captions', byId('caption-results'), captionLines),
  pictures: pane('pictures', byId('picture-results'), plates),
};

function pane(name, list, draw) {
  return { tab: byId(`tab-${name}`), pane: byId(`${name}-pane`), list, draw };
}

let dialog = null;
let shown = null;

/** Wires what belongs to the panels themselves; `similar(id)` asks for pictures like an item. */
export function prepare({ similar }) {
  dialog = itemDialog({ similar });
  for (const { list } of Object.values(panes)) walkWithArrows(list);
  byId('asked-picture-img').addEventListener('error', () => byId('asked-picture').classList.add('broken'));
  byId('tabs').addEventListener('click', (event) => {
    const name = Object.keys(panes).find((each) => panes[each].tab === event.target.closest('[role=tab]'));
    if (name) select(name);
  });
  byId('tabs').addEventListener('keydown', (event) => {
    if (!['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(event.key)) return;
    event.preventDefault();
    const other = document.activeElement === panes.captions.tab ? 'pictures' : 'captions';
    const name = { Home: 'captions', End: 'pictures' }[event.key] ?? other;
    select(name);
    panes[name].tab.focus();
  });
}

export const state = () => document.body.dataset.state;
export const closeDialog = () => dialog.close();

function setState(next) {
  document.body.dataset.state = next;
  byId('answers').setAttribute('aria-busy', String(next === 'loading'));
}

export function drawQuestion(asked) {
  const withPicture = asked && asked.kind !== 'words';
  document.body.dataset.direction = !asked ? 'none' : withPicture ? 'picture' : 'text';
  document.title = !asked ? 'diptych' : `${withPicture ? asked.name : `“${asked.words}”`} · diptych`;
  byId('query').value = asked?.words ?? '';

  byId('asked-picture').hidden = !withPicture;
  byId('asked-picture').classList.remove('broken');
  const image = byId('asked-picture-img');
  if (withPicture) {
    image.src = asked.url ?? itemUrl(asked.id, '/image');
    byId('asked-picture-name').textContent = asked.name;
  } else image.removeAttribute('src');
  byId('choose-picture').textContent = withPicture ? 'Ask with another picture' : 'Ask with a picture instead';
  predictedLabels(byId('predicted'), byId('predicted-labels'), []);
}

function clearAnswers() {
  byId('notice').replaceChildren();
  byId('tabs').hidden = true;
  for (const { pane, list } of Object.values(panes)) {
    pane.hidden = true;
    pane.querySelector('.notice')?.remove();
    list.replaceChildren();
  }
}

export function showStart() {
  clearAnswers();
  byId('answers-title').textContent = 'Answers';
  byId('status').textContent = '';
  setState('start');
}

export function showLoading(asked) {
  // The old answers stay, dimmed, until the new ones are there.
  if (state() !== 'results') clearAnswers();
  byId('answers-title').textContent = titleFor(asked);
  byId('status').textContent = 'Searching…';
  setState('loading');
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

function titleFor(asked) {
  if (!asked) return 'No answer';
  if (asked.kind === 'words') return `Pictures for “${asked.words}”`;
  return asked.kind === 'item' ? 'Similar to this picture' : 'Answers to this picture';
}

export function drawAnswer(asked, answer) {
  shown = { asked, answer };
  const main = answer[asked.first];
  predictedLabels(byId('predicted'), byId('predicted-labels'), main.query?.predicted_labels);
  if (!main.results.length && asked.kind === 'words') {
    showNotice('empty', titleFor(asked), emptyNotice(asked));
    byId('status').textContent = 'No results';
    return;
  }

  clearAnswers();
  byId('answers-title').textContent = titleFor(asked);
  if (asked.kind === 'words') {
    for (const attribute of ['role', 'aria-labelledby']) panes.pictures.pane.removeAttribute(attribute);
    fillPane('pictures', main.results);
  } else {
    byId('tabs').hidden = false;
    for (const [name, { pane, tab }] of Object.entries(panes)) {
      pane.setAttribute('role', 'tabpanel');
      pane.setAttribute('aria-labelledby', tab.id);
      if (answer[name]) fillPane(name, answer[name].results);
      else setAside(name, make('p', { class: 'notice', text: 'Still looking…' }));
    }
  }
  select(asked.first);
  setState('results');
}

/** The second half of a picture's answer: its results, or in their place what went wrong. */
export function drawOther(name, { answer, error, retry }) {
  if (answer) fillPane(name, answer.results);
  else {
    panes[name].list.replaceChildren();
    setAside(name, errorNotice(error, retry));
  }
  if (!panes[name].pane.hidden) byId('status').textContent = summary(shown.asked, name, shown.answer[name]);
}

/** `40 pictures in 6 ms`, and a word of doubt where the service has one. */
function summary(asked, name, answer) {
  if (!answer) return '';
  const { results, total, took_ms: took, no_confident_match: unsure, query } = answer;
  const [one, many] = name === 'captions' ? ['caption', 'captions'] : ['picture', 'pictures'];
  const howMany = total > results.length && asked.kind !== 'item'
    ? `The best ${results.length} of ${count(total, one, many)}` : count(results.length, one, many);
  const time = Number.isFinite(took?.total) ? ` in ${took.total < 1 ? '<1' : Math.round(took.total)} ms` : '';
  const doubt = unsure ? '. None is a confident match; these are only the nearest' : '';
  const unknown = query?.unknown_token_ratio >= 0.5 ? '. Most of these words are unknown to the model' : '';
  return `${howMany}${time}${doubt}${unknown}${doubt || unknown ? '.' : ''}`;
}

function fillPane(name, results) {
  const { list, draw, pane } = panes[name];
  pane.querySelector('.notice')?.remove();
  draw(list, results, (index) => dialog.open(results, index, list));
  if (!results.length && shown.asked.kind !== 'words') setAside(name, emptyNotice(shown.asked));
}

function setAside(name, box) {
  const { pane } = panes[name];
  pane.querySelector('.notice')?.remove();
  pane.append(box);
}

function select(name) {
  for (const [other, { tab, pane }] of Object.entries(panes)) {
    tab.setAttribute('aria-selected', String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    pane.hidden = other !== name;
  }
  byId('status').textContent = summary(shown.asked, name, shown.answer[name]);
}

export function drawCollection({ collection, model, version }) {
  if (!collection) return;
  const parts = [count(collection.pictures, 'picture', 'pictures'), count(collection.captions, 'caption', 'captions'),
    count(collection.labels, 'class', 'classes')];
  byId('collection').replaceChildren(
    make('span', { class: 'collection-counts', text: parts.join(' · ') }),
    make('span', { class: 'collection-model', text: model ? `model ${model.version}` : `diptych ${version}` }));
}

export function drawExamples(labels) {
  byId('example-labels').replaceChildren(...labels.map(({ label, count: pictures }) =>
    make('li', { 'data-testid': 'example' }, labelChip(label, String(pictures)))));
  byId('examples').hidden = labels.length === 0;
}
