// The search page: reads the question from the address or from a picture, asks the service, shows the answer.

import * as api from './api.js';
import { byId } from './dom.js';
import { takePictures } from './intake.js';
import { startingNotice, untrainedNotice } from './notices.js';
import { askItem, askPicture, askWords, enterFirst, question, remember } from './question.js';
import * as view from './view.js';

const STARTING_POLL_MS = 1500;
const UNTRAINED_POLL_MS = 8000;
const SHOW_LOADING_AFTER_MS = 120;
const KEPT_ANSWERS = 30;
const TARGETS = { captions: 'text', pictures: 'image' };

/** Answers by history entry, so that going back shows at once what was there. */
const answers = new Map();
let running = null;
let bootTimer = 0;

/** Brings the page to what the history entry asks for. */
async function route() {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  view.closeDialog();

  const asked = question();
  view.drawQuestion(asked);
  if (!asked) {
    view.showStart();
    return;
  }
  const key = history.state?.key;
  let answer = answers.get(key);
  if (!answer) {
    // A quick answer takes the old one's place without a flicker between them.
    const loading = setTimeout(() => view.showLoading(asked), view.state() === 'results' ? SHOW_LOADING_AFTER_MS : 0);
    try {
      answer = { [asked.first]: await search(asked, asked.first, signal) };
    } catch (error) {
      if (signal.aborted) return;
      if (['starting', 'no_model'].includes(error.code)) waitWith(error);
      else view.showError(error, asked, route);
      return;
    } finally {
      clearTimeout(loading);
    }
    remember(answers, key, answer, KEPT_ANSWERS);
  }
  view.drawAnswer(asked, answer);
  // The other half of a picture's answer follows quietly; its tab is there already.
  if (asked.kind !== 'words' && !(answer.captions && answer.pictures)) await followUp(asked, answer, signal);
}

async function followUp(asked, answer, signal) {
  const other = asked.first === 'captions' ? 'pictures' : 'captions';
  try {
    answer[other] = await search(asked, other, signal);
    view.drawOther(other, { answer: answer[other] });
  } catch (error) {
    if (!signal.aborted) view.drawOther(other, { error, retry: () => followUp(asked, answer, signal) });
  }
}

async function search(asked, half, signal) {
  if (asked.kind === 'words') return api.searchWords(asked.words, signal);
  asked.blob ??= await api.itemPicture(asked.id, signal);
  const answer = await api.searchPicture(asked.blob, TARGETS[half], signal);
  // An item is no news as an answer to itself.
  if (asked.kind === 'item' && half === 'pictures') answer.results = answer.results.filter(({ id }) => id !== asked.id);
  return answer;
}

/** Looks whether the service is there, trained and ready; until then the page says what it is waiting for. */
async function boot() {
  clearTimeout(bootTimer);
  try {
    view.drawCollection(await api.info());
    await api.ready();
  } catch (error) {
    if (error.status === 503) waitWith(error);
    else view.showError(error, null, boot);
    return;
  }
  // Examples are a courtesy: without them the page searches just as well.
  api.labels().then(({ labels }) => view.drawExamples(labels)).catch(() => {});
  route();
}

/** Says what the service itself still waits for, and looks again after a while. */
function waitWith(error) {
  const untrained = error.code === 'no_model';
  if (untrained && view.state() !== 'untrained') view.showNotice('untrained', 'Not yet', untrainedNotice());
  if (!untrained) view.showNotice('starting', 'A moment', startingNotice(error.detail));
  clearTimeout(bootTimer);
  bootTimer = setTimeout(boot, untrained ? UNTRAINED_POLL_MS : STARTING_POLL_MS);
}

function ask(enter, what) {
  enter(what);
  window.scrollTo(0, 0);
  route();
}

/** The question came out of the dialog, which is closed now: reading goes on at the answers. */
function askFromDialog(enter, what) {
  ask(enter, what);
  byId('answers').focus();
}

const modified = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
const typing = (target) => target.closest?.('input:not([type=file]), textarea, select') !== null;

view.prepare({ similar: (id) => askFromDialog(askItem, id) });
takePictures({
  asked: (file) => ask(askPicture, file),
  askedItem: (id) => ask(askItem, id),
  refused: (error) => view.showError(error, null, null),
});

byId('search-form').addEventListener('submit', (event) => {
  event.preventDefault();
  // On a touch screen the keyboard would cover the answers.
  if (matchMedia('(pointer: coarse)').matches) byId('query').blur();
  ask(askWords, byId('query').value.trim());
});
document.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-words], #home, #skip');
  if (!link || event.button !== 0 || modified(event)) return;
  event.preventDefault();
  if (link.id === 'skip') byId('answers').focus();
  else (link.closest('dialog') ? askFromDialog : ask)(askWords, link.dataset.words ?? '');
});
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target) || byId('item-dialog').open) return;
  event.preventDefault();
  byId('query').focus();
  byId('query').select();
});
addEventListener('popstate', route);

enterFirst();
view.drawQuestion(question());
if (question()) view.showLoading(question());
else view.showStart();
boot();
