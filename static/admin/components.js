// @ts-check
// Elements that the sections of the admin page share.

/** @import { Attributes, Child } from '../shared/dom.js' */

import { byId, make } from '../shared/dom.js';
import { RequestError } from '../shared/http.js';
import { formatNumber, t } from '../shared/i18n.js';

const CONFIRM_WITHIN_MS = 5000;

/**
 * Announces a text to screen readers.
 *
 * @param {string} text
 */
export function announce(text) {
  byId('announce').textContent = text;
}

export const loadingText = () => make('p', { class: 'soft', text: t('admin.loading') });

/** @param {string} text */
export const emptyText = (text) => make('p', { class: 'empty', 'data-testid': 'empty', text });

/**
 * An error, with a button that tries again if that may help.
 *
 * @param {unknown} error
 * @param {() => unknown} [retry]
 */
export function errorBox(error, retry) {
  const known = error instanceof RequestError ? error : null;
  if (!known) console.error(error);
  const detail = known ? known.detail : error instanceof Error ? error.message : String(error);
  const box = make(
    'div',
    { class: 'failure', role: 'alert', 'data-testid': 'failure' },
    make('p', { class: 'failure-title', text: known?.title ?? t('shared.page-fault') }),
    make('p', { text: detail }),
  );
  if (known?.requestId) {
    box.append(make('p', { class: 'soft', text: t('shared.request-id', { id: known.requestId }) }));
  }
  if (retry) {
    const node = make('button', { type: 'button', class: 'solid', 'data-testid': 'retry' });
    let left = known?.retryAfter ?? 0;
    const tick = () => {
      node.disabled = left > 0;
      node.textContent = left > 0 ? t('shared.retry-in', { n: left }) : t('shared.retry');
      if (left > 0) setTimeout(tick, 1000);
      left -= 1;
    };
    tick();
    node.addEventListener('click', retry);
    box.append(node);
  }
  return box;
}

/**
 * A button that cannot be pressed again while its action runs.
 *
 * @param {string} key Key of its text. Without the section it is the test id.
 * @param {(button: HTMLButtonElement) => unknown} run
 * @param {HTMLElement} errors Place for the error if the action fails.
 * @param {Attributes} [attributes]
 */
export function action(key, run, errors, attributes = {}) {
  const id = key.slice(key.indexOf('.') + 1);
  const node = make('button', { type: 'button', class: 'plain', text: t(key), 'data-testid': id, ...attributes });
  node.addEventListener('click', async () => {
    // `disabled` would lose the focus.
    if (node.getAttribute('aria-disabled') === 'true') return;
    node.setAttribute('aria-disabled', 'true');
    errors.replaceChildren();
    try {
      await run(node);
    } catch (error) {
      errors.replaceChildren(errorBox(error));
    }
    node.removeAttribute('aria-disabled');
  });
  return node;
}

/**
 * An action that has to be confirmed by a second click within a few seconds.
 *
 * @param {string} key
 * @param {string} confirmKey Key of the text that asks for the second click.
 * @param {() => unknown} run
 * @param {HTMLElement} errors
 * @param {Attributes} [attributes]
 */
export function confirmAction(key, confirmKey, run, errors, attributes) {
  let asks = false;
  return action(
    key,
    async (node) => {
      if (asks) {
        await run();
        return;
      }
      asks = true;
      const { textContent: text } = node;
      node.textContent = t(confirmKey);
      setTimeout(() => {
        asks = false;
        node.textContent = text;
      }, CONFIRM_WITHIN_MS);
    },
    errors,
    attributes,
  );
}

/** @typedef {Node | string | number | null | undefined} Cell */

/**
 * A table. The first cell of each row is its header.
 *
 * @param {string} caption
 * @param {string[]} headers
 * @param {Cell[][]} rows
 * @param {Attributes} [attributes]
 */
export function table(caption, headers, rows, attributes = {}) {
  /**
   * @param {'th' | 'td'} tag
   * @param {Cell} content
   * @param {Attributes} [of]
   */
  const cell = (tag, content, of = {}) => {
    if (content instanceof Node) return make(tag, of, content);
    if (typeof content === 'number') return make(tag, { ...of, class: 'figure', text: formatNumber(content) });
    return make(tag, { ...of, text: content ?? '–' });
  };
  return make(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    make(
      'table',
      attributes,
      make('caption', { text: caption }),
      make('thead', {}, make('tr', {}, ...headers.map((header) => cell('th', header, { scope: 'col' })))),
      make(
        'tbody',
        {},
        ...rows.map(([header, ...cells]) =>
          make('tr', {}, cell('th', header, { scope: 'row' }), ...cells.map((content) => cell('td', content))),
        ),
      ),
    ),
  );
}

/**
 * A part that the reader can open.
 *
 * @param {string} summary
 * @param {...Child} content
 */
export const details = (summary, ...content) => make('details', {}, make('summary', { text: summary }), ...content);

/**
 * An input with its label and a hint.
 *
 * @param {string} id
 * @param {string} name
 * @param {HTMLInputElement | HTMLSelectElement} input
 * @param {string} [hint]
 */
export function field(id, name, input, hint) {
  input.id = id;
  if (hint) input.setAttribute('aria-describedby', `${id}-hint`);
  const label = make('label', { for: id, text: name });
  const isBox = input.type === 'checkbox';
  return make(
    'div',
    { class: isBox ? 'box-field' : 'text-field' },
    ...(isBox ? [input, label] : [label, input]),
    hint ? make('p', { class: 'soft', id: `${id}-hint`, text: hint }) : null,
  );
}

/**
 * A duration in the unit that suits it.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 9.95) return t('admin.seconds', { n: Math.round(seconds * 10) / 10 });
  if (seconds < 60) return t('admin.seconds', { n: Math.round(seconds) });
  if (seconds < 3600) return t('admin.minutes', { n: Math.round(seconds / 60) });
  return t('admin.hours', { n: Math.round(seconds / 360) / 10 });
}
