// @ts-check
// What the page shows instead of results, or above them: an error, a wait, an empty response.

import { button, make } from '../shared/dom.js';
import { RequestError } from '../shared/http.js';
import { t } from '../shared/i18n.js';
import { exampleChips } from './examples.js';

/**
 * @typedef {object} Notice
 * @property {string} title
 * @property {(string | null | undefined)[]} [lines]
 * @property {string} [command] Shown as code.
 * @property {string} [small]
 * @property {(() => unknown) | null} [retry]
 * @property {number} [wait] Seconds until the reader may retry.
 * @property {boolean} [alert] Whether screen readers interrupt for it.
 * @property {HTMLElement[]} [more]
 */

/** @param {Notice} notice */
function noticeBox({ title, lines = [], command, small, retry, wait = 0, alert = false, more = [] }) {
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
  box.append(...more);
  if (small) box.append(make('p', { class: 'notice-small', text: small }));
  return box;
}

/**
 * @param {() => unknown} retry
 * @param {number} wait
 */
function retryButton(retry, wait) {
  const node = button({ class: 'solid', 'data-testid': 'retry' }, () => retry());
  let left = wait;
  const tick = () => {
    node.disabled = left > 0;
    node.textContent = left > 0 ? t('shared.retry-in', { n: left }) : t('shared.retry');
    if (left > 0 && (node.isConnected || left === wait)) setTimeout(tick, 1000);
    left -= 1;
  };
  tick();
  return node;
}

/**
 * @param {unknown} error
 * @param {(() => unknown) | null} [retry]
 */
export function errorNotice(error, retry) {
  if (!(error instanceof RequestError)) {
    const detail = error instanceof Error ? error.message : String(error);
    return noticeBox({ title: t('shared.page-fault'), lines: [detail], alert: true });
  }
  const { status, code, title, detail, requestId, retryAfter } = error;
  const wait = [429, 503].includes(status) ? (retryAfter ?? 0) : 0;
  const lacksKey = status === 401 || status === 403;
  const canRetry = status === 0 ? code === 'unreachable' : lacksKey || status === 410 || status >= 429;
  return noticeBox({
    title: lacksKey ? t('search.no-key') : title,
    lines: [detail, lacksKey ? t('search.no-key-why') : '', wait > 0 ? t('search.busy', { n: wait }) : ''],
    small: requestId ? t('shared.request-id', { id: requestId }) : '',
    retry: canRetry ? retry : null,
    wait,
    alert: true,
  });
}

/** @param {string} detail What the service says of its start. */
export const startingNotice = (detail) =>
  noticeBox({ title: t('search.starting'), lines: [detail, t('search.starting-why')] });

export const untrainedNotice = () =>
  noticeBox({
    title: t('search.untrained'),
    lines: [t('search.untrained-why')],
    command: 'diptych train',
    small: t('search.looks-again'),
  });

/**
 * No results at all.
 *
 * @param {(() => unknown) | null} removeFilter Searches without the filter, if there is one.
 */
export const emptyNotice = (removeFilter) =>
  noticeBox({
    title: t(removeFilter ? 'search.empty-filtered' : 'search.empty'),
    lines: [t(removeFilter ? 'search.empty-filtered-why' : 'search.empty-why')],
    more: removeFilter
      ? [button({ class: 'solid', text: t('search.filter-none'), 'data-testid': 'without-filter' }, removeFilter)]
      : [exampleChips()],
  });

/** Results of which none is probably right. */
export const unsureNotice = () =>
  noticeBox({ title: t('search.unsure'), lines: [t('search.unsure-why')], more: [exampleChips()] });

/** A query that only excludes. */
export const negativeQueryNotice = () => noticeBox({ title: t('search.all-away'), lines: [t('search.all-away-why')] });
