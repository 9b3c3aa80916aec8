// The search page: reads the question from the address, asks the service, shows the answer.

import * as api from './api.js';
import { copyDialog } from './export-dialog.js';
import { itemDialog } from './item-dialog.js';
import { byId } from '../shared/dom.js';
import { drawExamples, surprise } from './examples.js';
import { NO_FILTER, filtered } from './url-state.js';
import { knowsAll, noteAll } from './filters.js';
import { takePictures } from './picture-input.js';
import { hasKey } from '../shared/http.js';
import { listen } from './keyboard.js';
import { allAwayNotice, startingNotice, untrainedNotice } from './notices.js';
import * as question from './url-state.js';
import * as recent from './recent-queries.js';
import { keep } from './uploaded-pictures.js';
import * as view from './view.js';
import { EXAMPLES } from './explanation.js';
import { fill, t } from '../shared/i18n.js';

const STARTING_POLL_MS = 1500;
const UNTRAINED_POLL_MS = 8000;
const SHOW_LOADING_AFTER_MS = 120;
const KEEP_PLACE_AFTER_MS = 200;
const KEPT_ANSWERS = 20;

/** Answers by history entry, so that going back shows at once what was there. */
const answers = new Map();
/** What is on the page: { key, asked, answer }. */
let current = null;
let running = null;
let bootTimer = 0;
/** Whether words alone stand as a chip, because another term is to come. */
let drafting = false;

/** Brings the page to what the history entry asks for. */
async function route() {
  const asked = question.read();
  const key = question.entry();
  if (current?.key === key && current.answer) {
    // The same question: another tab, or another result is open.
    current.asked = asked;
    if (asked.terms.length) view.select(question.half(asked));
    openItem(asked.item);
    return;
  }
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  drafting = false;
  current = { key, asked, answer: null };
  dialog.close();
  view.drawQuestion(asked);
  if (!asked.terms.length) {
    view.showStart();
    current.answer = {};
    openItem(asked.item);
    return;
  }
  if (asked.terms.every(({ weight }) => weight <= 0)) {
    view.showNotice('empty', view.nameOf(asked), allAwayNotice());
    return;
  }
  let answer = answers.get(key);
  const { scroll = 0, loaded } = history.state;
  if (!answer) {
    // A quick answer takes the old one's place without a flicker between them.
    const loading = setTimeout(() => view.showLoading(asked), view.state() === 'results' ? SHOW_LOADING_AFTER_MS : 0);
    try {
      const first = question.half(asked);
      answer = { [first]: await search(asked, first, signal, loaded) };
    } catch (error) {
      if (signal.aborted) return;
      if (['starting', 'no_model'].includes(error.code)) waitWith(error);
      else view.showError(error, asked, boot);
      return;
    } finally {
      clearTimeout(loading);
    }
    if (signal.aborted) return;
    answers.set(key, answer);
    if (answers.size > KEPT_ANSWERS) answers.delete(answers.keys().next().value);
    recent.note(asked, [view.nameOf(asked), ...question.filterNames(asked)].join(' · '));
  }
  current.answer = answer;
  view.drawAnswer(asked, answer);
  scrollTo(0, scroll);
  openItem(asked.item);
  // The other half of a picture's answer follows quietly; its tab is there already.
  if (question.pictured(asked) && !(answer.captions && answer.pictures)) await followUp(asked, answer, signal);
}

async function followUp(asked, answer, signal) {
  const other = answer.captions ? 'pictures' : 'captions';
  try {
    answer[other] = await search(asked, other, signal);
    if (!signal.aborted) view.drawOther(other);
  } catch (error) {
    if (!signal.aborted) view.drawOther(other, { error, retry: () => followUp(asked, answer, signal) });
  }
}

/** An answer with at least as many results as the reader had seen. */
async function search(asked, half, signal, loaded = api.PAGE) {
  const limit = Math.max(api.PAGE, Math.min(loaded, api.LARGEST_PAGE));
  const answer = await api.search(asked, half, { signal, limit });
  while (answer.next_cursor && answer.results.length < loaded) await append(answer, signal);
  if (half === 'pictures') {
    if (!filtered(asked)) noteAll(asked, answer);
    else if (!knowsAll(asked)) {
      const all = await api.search({ ...asked, filter: NO_FILTER }, half, { signal });
      noteAll(asked, all);
    }
  }
  return answer;
}

async function append(answer, signal) {
  const page = await api.more(answer.next_cursor, signal);
  answer.results.push(...page.results);
  answer.next_cursor = page.next_cursor;
  return page;
}

/** The next page of what is on the page. */
async function more() {
  if (!current) return;
  const { asked, answer } = current;
  const half = question.half(asked);
  const shown = answer?.[half];
  if (!shown?.next_cursor || shown.loading) return;
  shown.loading = true;
  view.drawLoading(half);
  let failed = null;
  try {
    const page = await append(shown, running.signal);
    if (half === 'pictures' && !filtered(asked)) noteAll(asked, { results: page.results });
  } catch (error) {
    failed = error;
  }
  shown.loading = false;
  if (current.answer !== answer) return;
  if (failed) {
    // A cursor lasts ten minutes: after that the question is asked anew.
    const again =
      failed.code === 'cursor_expired'
        ? () => {
            answers.delete(current.key);
            current = null;
            route();
          }
        : more;
    view.drawLoading(half, failed, again);
    return;
  }
  view.drawMore(half);
  question.keepPlace(shown.results.length);
  // Whoever has scrolled on meanwhile is at the end again, and has not left it in between.
  end.unobserve(byId('more'));
  end.observe(byId('more'));
}

/** Looks whether the service is there, trained and ready; until then the page says what it is waiting for. */
async function boot() {
  clearTimeout(bootTimer);
  api
    .info()
    .then(view.drawCollection)
    .catch(() => {});
  if (!question.read().terms.length) {
    try {
      await api.ready();
    } catch (error) {
      if (error.status === 503) waitWith(error);
      else view.showError(error, null, boot);
      return;
    }
  }
  await route();
  drawExamples().catch(() => {});
}

/** Says what the service itself still waits for, and looks again after a while. */
function waitWith(error) {
  current = null;
  const untrained = error.code === 'no_model';
  if (untrained && view.state() !== 'untrained') view.showNotice('untrained', t('search.not-yet'), untrainedNotice());
  if (!untrained) view.showNotice('starting', t('search.a-moment'), startingNotice(error.detail));
  clearTimeout(bootTimer);
  bootTimer = setTimeout(boot, untrained ? UNTRAINED_POLL_MS : STARTING_POLL_MS);
}

// ---- what the reader does ----

function ask(asked, { replace = false, on = false } = {}) {
  question.enter(asked, { replace });
  if (!replace) scrollTo(0, 0);
  route();
  // The question came out of the dialog, which is closed now: reading goes on at the answers.
  if (on) byId('answers').focus();
}

/** Asks for these terms, within what is filtered already. */
function askTerms(terms, options) {
  ask({ terms, filter: question.read().filter }, options);
}

async function askPicture(file) {
  const { terms } = question.read();
  const token = await keep(file);
  // A picture takes the place of the one before it; words stay.
  askTerms([...terms.filter(({ kind }) => kind === 'text'), question.picture(token)]);
}

function openItem(id) {
  if (!id) {
    dialog.close();
    return;
  }
  if (dialog.showing() === id) return;
  const found = current.answer[question.half(current.asked)];
  const at = found?.results.findIndex((result) => result.id === id) ?? -1;
  if (at < 0) dialog.open([{ id }], 0, null);
  else dialog.open(found.results, at, found.query);
}

view.prepare({
  open(half, at) {
    const found = current?.answer?.[half];
    // The question has changed while its old answer was still to be seen.
    if (!found) return;
    question.alter({ item: found.results[at].id }, { push: true });
    dialog.open(found.results, at, found.query);
  },
  turn(half) {
    question.alter({ show: half });
    route();
  },
  terms: (terms) =>
    ask({ terms, filter: terms.length ? question.read().filter : undefined }, { replace: terms.length > 0 }),
  filter: (filter) => ask({ ...question.read(), filter, item: null }),
});

const dialog = itemDialog({
  similar: (id) => ask({ terms: [question.like(id)] }, { on: true }),
  combine: (id) => askTerms([...question.read().terms, question.like(id)], { on: true }),
  within(label) {
    const { terms } = question.read();
    ask(
      { terms: terms.length ? terms : [question.words(label)], filter: { labels: [label], fields: {} } },
      { on: true },
    );
  },
  turned: (id) => question.alter({ item: id }),
  async nearest() {
    const { asked } = current;
    const half = question.pictured(asked) ? 'pictures' : 'captions';
    const everywhere = { ...asked, filter: NO_FILTER };
    return (await api.search(everywhere, half, { limit: EXAMPLES, hybrid: false })).results;
  },
  closed(at) {
    if (current?.asked.terms.length) view.focusResult(question.half(current.asked), at);
    if (history.state.opened) history.back();
    else question.alter({ item: null });
  },
});
const copying = copyDialog();

takePictures({
  asked: askPicture,
  askedItem: (id) => askTerms([...question.read().terms.filter(({ kind }) => kind === 'text'), question.like(id)]),
  refused: (error) => {
    current = null;
    view.showError(error, null, null);
  },
});
listen({ toResults: () => view.state() === 'results' && view.focusResult(question.half(current.asked), 0) });

byId('search-form').addEventListener('submit', (event) => {
  event.preventDefault();
  // On a touch screen the keyboard would cover the answers.
  if (matchMedia('(pointer: coarse)').matches) byId('query').blur();
  const typed = byId('query').value.trim();
  const { terms } = question.read();
  const beside = drafting || (terms.length > 0 && question.onlyWords({ terms }) === null);
  if (!beside) ask({ terms: typed ? [question.words(typed)] : [] });
  else if (typed) askTerms([...terms, question.words(typed)]);
  else route();
});
byId('combine').addEventListener('click', () => {
  drafting = true;
  view.drawQuestion(question.read(), { asChips: true });
  byId('query').focus();
});
byId('more').addEventListener('click', more);
byId('copy-open').addEventListener('click', () => copying.open(current.asked, hasKey()));
byId('asked-remove').addEventListener('click', () => {
  ask({ terms: [] });
  byId('query').focus();
});
byId('recent-clear').addEventListener('click', () => {
  recent.clear();
  byId('query').focus();
});
byId('surprise').addEventListener('click', async () => {
  try {
    const id = await surprise();
    if (id) ask({ terms: [question.like(id)] });
  } catch (error) {
    view.showError(error, null, () => byId('surprise').click());
  }
});

const modified = (event) => event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;

document.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-words], a[data-address], #home, #skip');
  if (!link || event.button !== 0 || modified(event)) return;
  event.preventDefault();
  const on = Boolean(link.closest('dialog'));
  if (link.id === 'skip') byId('answers').focus();
  else if (link.dataset.address) ask(question.read(link.dataset.address.slice(1)));
  else ask({ terms: link.dataset.words ? [question.words(link.dataset.words)] : [] }, { on });
});

let placing = 0;
addEventListener(
  'scroll',
  () => {
    clearTimeout(placing);
    placing = setTimeout(() => question.keepPlace(), KEEP_PLACE_AFTER_MS);
  },
  { passive: true },
);
document.addEventListener('key-changed', () => {
  if (hasKey()) drawExamples().catch(() => {});
});
addEventListener('popstate', () => {
  clearTimeout(placing);
  route();
});
const end = new IntersectionObserver(
  (seen) => {
    if (seen.at(-1).isIntersecting) more();
  },
  { rootMargin: '600px' },
);
end.observe(byId('more'));

question.begin();
fill();
recent.draw();
view.drawQuestion(question.read());
if (question.read().terms.length) view.showLoading(question.read());
else view.showStart();
boot();
