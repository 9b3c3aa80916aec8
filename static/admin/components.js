// What the sections of the owner's page are built of.

import { byId, make } from '../shared/dom.js';
import { number, t } from '../shared/i18n.js';

/** Says something to those who listen to the page. */
export function announce(text) {
  byId('announce').textContent = text;
}

export const waiting = () => make('p', { class: 'soft', text: t('admin.loading') });

export const empty = (text) => make('p', { class: 'empty', 'data-testid': 'empty', text });

/** What went wrong, in words, with a button that tries again where that can help. */
export function failure(error, retry) {
  const box = make(
    'div',
    { class: 'failure', role: 'alert', 'data-testid': 'failure' },
    make('p', { class: 'failure-title', text: error.title ?? t('shared.page-fault') }),
    make('p', { text: error.detail || (error.title ? '' : error.message) }),
  );
  if (error.requestId) box.append(make('p', { class: 'soft', text: t('shared.request-id', { id: error.requestId }) }));
  if (!error.title) console.error(error);
  if (retry) {
    const button = make('button', { type: 'button', class: 'solid', 'data-testid': 'retry' });
    let left = error.retryAfter ?? 0;
    const tick = () => {
      button.disabled = left > 0;
      button.textContent = left > 0 ? t('shared.retry-in', { n: left }) : t('shared.retry');
      if (left > 0) setTimeout(tick, 1000);
      left -= 1;
    };
    tick();
    button.addEventListener('click', retry);
    box.append(button);
  }
  return box;
}

/** A button that is busy while its action runs; errors are shown in `place`. `key` names its text, and without its section its test id. */
export function action(key, run, place, attributes = {}) {
  const id = key.slice(key.indexOf('.') + 1);
  const button = make('button', { type: 'button', class: 'plain', text: t(key), 'data-testid': id, ...attributes });
  button.addEventListener('click', async () => {
    button.setAttribute('aria-disabled', 'true');
    place.replaceChildren();
    try {
      await run(button);
    } catch (error) {
      place.replaceChildren(failure(error));
    }
    button.removeAttribute('aria-disabled');
  });
  // One that works is not pressed again; `disabled` would lose the focus.
  button.addEventListener(
    'click',
    (event) => {
      if (button.getAttribute('aria-disabled') === 'true') event.stopImmediatePropagation();
    },
    { capture: true },
  );
  return button;
}

/** A button that asks once more before it acts. */
export function careful(name, sure, run, place, attributes) {
  let asked = false;
  const button = action(
    name,
    async (pressed) => {
      if (!asked) {
        asked = true;
        const { textContent: said } = pressed;
        setTimeout(() => {
          asked = false;
          pressed.textContent = said;
        }, 5000);
        pressed.textContent = t(sure);
        return;
      }
      await run();
    },
    place,
    attributes,
  );
  return button;
}

/** A table; cells are texts, or nodes. The first cell of a row is its head. */
export function table(caption, heads, rows, attributes = {}) {
  const cell = (tag, content, more = {}) =>
    content instanceof Node
      ? make(tag, more, content)
      : make(tag, {
          ...more,
          class: typeof content === 'number' ? 'figure' : null,
          text: typeof content === 'number' ? number(content) : (content ?? '–'),
        });
  return make(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    make(
      'table',
      attributes,
      make('caption', { text: caption }),
      make('thead', {}, make('tr', {}, ...heads.map((head) => cell('th', head, { scope: 'col' })))),
      make(
        'tbody',
        {},
        ...rows.map((row) =>
          make(
            'tr',
            {},
            ...row.map((content, at) => (at ? cell('td', content) : cell('th', content, { scope: 'row' }))),
          ),
        ),
      ),
    ),
  );
}

/** A part that is opened by who wants to see it. */
export const more = (summary, ...content) => make('details', {}, make('summary', { text: summary }), ...content);

/** A field with its name, and what is said of it. */
export function field(id, name, input, hint) {
  input.id = id;
  if (hint) input.setAttribute('aria-describedby', `${id}-hint`);
  const label = make('label', { for: id, text: name });
  return make(
    'div',
    { class: input.type === 'checkbox' ? 'box-field' : 'text-field' },
    ...(input.type === 'checkbox' ? [input, label] : [label, input]),
    hint ? make('p', { class: 'soft', id: `${id}-hint`, text: hint }) : null,
  );
}

/** Seconds as people say them. */
export function duration(seconds) {
  if (seconds < 9.95) return t('admin.seconds', { n: Math.round(seconds * 10) / 10 });
  if (seconds < 60) return t('admin.seconds', { n: Math.round(seconds) });
  if (seconds < 3600) return t('admin.minutes', { n: Math.round(seconds / 60) });
  return t('admin.hours', { n: Math.round(seconds / 360) / 10 });
}
