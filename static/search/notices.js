// What the page says when there are no results to show: an error, a wait, an empty answer.

import { button, make } from '../shared/dom.js';
import { exampleChips } from './examples.js';
import { t } from '../shared/i18n.js';

/** A title, sentences, and a button that is held back for `wait` seconds where the service asked for it. */
export function notice({
  title,
  lines = [],
  command = null,
  small = '',
  retry = null,
  wait = 0,
  alert = false,
  more = [],
}) {
  const box = make(
    'section',
    { class: 'notice', role: alert ? 'alert' : null, 'data-testid': 'notice' },
    make('h3', { class: 'notice-title', text: title, 'data-testid': 'notice-title' }),
  );
  for (const line of lines.filter(Boolean)) {
    box.append(make('p', { class: 'notice-detail', dir: 'auto', text: line, 'data-testid': 'notice-detail' }));
  }
  if (command) box.append(make('p', {}, make('code', { class: 'command', text: command })));
  if (retry) box.append(retryButton(retry, wait));
  box.append(...more.filter(Boolean));
  if (small) box.append(make('p', { class: 'notice-small', text: small }));
  return box;
}

function retryButton(retry, wait) {
  const again = button({ class: 'solid', 'data-testid': 'retry' }, () => retry());
  let left = wait;
  const tick = () => {
    again.disabled = left > 0;
    again.textContent = left > 0 ? t('shared.retry-in', { n: left }) : t('shared.retry');
    if (left > 0 && (again.isConnected || left === wait)) setTimeout(tick, 1000);
    left -= 1;
  };
  tick();
  return again;
}

export function errorNotice(error, retry) {
  const waits = [429, 503].includes(error.status) && error.retryAfter > 0;
  const keyless = error.status === 401 || error.status === 403;
  const worthRetrying =
    error.status === 0 ? error.code === 'unreachable' : keyless || error.status === 410 || error.status >= 429;
  return notice({
    title: error.status === undefined ? t('shared.page-fault') : keyless ? t('search.no-key') : error.title,
    lines: [
      error.detail ?? String(error.message),
      keyless ? t('search.no-key-why') : '',
      waits ? t('search.busy', { n: error.retryAfter }) : '',
    ],
    small: error.requestId ? t('shared.request-id', { id: error.requestId }) : '',
    retry: worthRetrying ? retry : null,
    wait: waits ? error.retryAfter : 0,
    alert: true,
  });
}

export const startingNotice = (detail) =>
  notice({ title: t('search.starting'), lines: [detail, t('search.starting-why')] });

export const untrainedNotice = () =>
  notice({
    title: t('search.untrained'),
    lines: [t('search.untrained-why')],
    command: 'diptych train',
    small: t('search.looks-again'),
  });

/** Nothing at all: the filters let nothing through, or there is nothing. */
export const emptyNotice = (without) =>
  notice({
    title: t(without ? 'search.empty-filtered' : 'search.empty'),
    lines: [t(without ? 'search.empty-filtered-why' : 'search.empty-why')],
    more: without
      ? [button({ class: 'solid', text: t('search.filter-none'), 'data-testid': 'without-filter' }, without)]
      : [exampleChips()],
  });

/** Something, and none of it is what was asked for. */
export const unsureNotice = () =>
  notice({ title: t('search.unsure'), lines: [t('search.unsure-why')], more: [exampleChips()] });

/** A question that only says what is not wanted. */
export const allAwayNotice = () => notice({ title: t('search.all-away'), lines: [t('search.all-away-why')] });
