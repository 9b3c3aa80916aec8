// The keys of the page. A single letter can be switched off, for readers who speak to their machine.

import { byId } from '../shared/dom.js';

const STORE = 'diptych-single-keys';

const typing = (target) =>
  Boolean(
    target.closest?.(
      'input:not([type=file]):not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select',
    ),
  );
const single = () => byId('single-keys').checked;

/** `toResults()` puts the focus on the first result. */
export function listen({ toResults }) {
  const box = byId('single-keys');
  try {
    box.checked = localStorage.getItem(STORE) !== 'off';
  } catch {
    /* the default stays */
  }
  box.addEventListener('change', () => {
    try {
      localStorage.setItem(STORE, box.checked ? 'on' : 'off');
    } catch {
      /* for this page alone, then */
    }
  });
  byId('keys-close').addEventListener('click', () => byId('keys-dialog').close());
  byId('keys-open').addEventListener('click', () => byId('keys-dialog').showModal());

  document.addEventListener('keydown', (event) => {
    if (event.altKey || document.querySelector('dialog[open]')) return;
    const control = event.ctrlKey || event.metaKey;
    if (control && event.key.toLowerCase() === 'k') focusField(event);
    else if (control) return;
    else if (event.key === '/' && single() && !typing(event.target)) focusField(event);
    else if (event.key === '?' && single() && !typing(event.target)) {
      event.preventDefault();
      byId('keys-dialog').showModal();
    } else if (event.key === 'ArrowDown' && event.target === byId('query') && toResults()) event.preventDefault();
  });
}

function focusField(event) {
  event.preventDefault();
  byId('query').focus();
  byId('query').select();
}

/**
 * Arrow keys walk over the results of a list, up and down by what is seen, not by what is counted. `list` says of a button which
 * result it opens, how many there are, how many stand in a row, and puts the focus on one.
 */
export function walkWithArrows(node, { numberOf, count, columns, focus }) {
  node.addEventListener('keydown', (event) => {
    const opener = event.target.closest('.opener');
    if (!opener || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = numberOf(opener);
    const across = getComputedStyle(node).direction === 'rtl' ? -1 : 1;
    const step = { ArrowRight: across, ArrowLeft: -across, ArrowDown: columns(), ArrowUp: -columns() }[event.key];
    const to = event.key === 'Home' ? 0 : event.key === 'End' ? count() - 1 : step && at + step;
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 0 && to < count()) focus(to);
    else if (to < 0 && event.key === 'ArrowUp') byId('query').focus();
  });
}
