// @ts-check
// Keyboard shortcuts of the page. Single letters can be switched off, for readers who dictate.

import { byId } from '../shared/dom.js';

const STORE = 'diptych-single-keys';

const TEXT_FIELDS = 'input:not([type=file]):not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select';

/** @param {EventTarget | null} target */
const isTextField = (target) => target instanceof Element && Boolean(target.closest(TEXT_FIELDS));

/** @param {{ focusResults: () => boolean }} actions `focusResults` returns whether there was a result to focus. */
export function listenForShortcuts({ focusResults }) {
  const box = byId('single-keys', HTMLInputElement);
  const dialog = byId('keys-dialog', HTMLDialogElement);
  try {
    box.checked = localStorage.getItem(STORE) !== 'off';
  } catch {
    /* The default stays. */
  }
  box.addEventListener('change', () => {
    try {
      localStorage.setItem(STORE, box.checked ? 'on' : 'off');
    } catch {
      /* It holds until the page is closed. */
    }
  });
  byId('keys-close').addEventListener('click', () => dialog.close());
  byId('keys-open').addEventListener('click', () => dialog.showModal());

  document.addEventListener('keydown', (event) => {
    if (event.altKey || document.querySelector('dialog[open]')) return;
    const singleKey = box.checked && !isTextField(event.target);
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() === 'k') focusField(event);
    } else if (event.key === '/' && singleKey) focusField(event);
    else if (event.key === '?' && singleKey) {
      event.preventDefault();
      dialog.showModal();
    } else if (event.key === 'ArrowDown' && event.target === byId('query') && focusResults()) event.preventDefault();
  });
}

/** @param {KeyboardEvent} event */
function focusField(event) {
  event.preventDefault();
  const field = byId('query', HTMLInputElement);
  field.focus();
  field.select();
}

/**
 * Lets arrow keys move between the results of a list, up and down by rows as they are laid out.
 *
 * @param {HTMLElement} node
 * @param {object} list
 * @param {(opener: Element) => number} list.indexOf The result that a button opens.
 * @param {() => number} list.count
 * @param {() => number} list.columns
 * @param {(index: number) => void} list.focus
 */
export function moveWithArrows(node, { indexOf, count, columns, focus }) {
  node.addEventListener('keydown', (event) => {
    const opener = event.target instanceof Element ? event.target.closest('.opener') : null;
    if (!opener || event.ctrlKey || event.metaKey || event.altKey) return;
    const right = getComputedStyle(node).direction === 'rtl' ? -1 : 1;
    /** @type {Record<string, number>} */
    const steps = { ArrowRight: right, ArrowLeft: -right, ArrowDown: columns(), ArrowUp: -columns() };
    let to;
    if (event.key === 'Home') to = 0;
    else if (event.key === 'End') to = count() - 1;
    else if (steps[event.key]) to = indexOf(opener) + steps[event.key];
    else return;
    event.preventDefault();
    if (to >= 0 && to < count()) focus(to);
    else if (to < 0 && event.key === 'ArrowUp') byId('query').focus();
  });
}
