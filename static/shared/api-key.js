// @ts-check
// The API key: stored until the tab is closed, and asked for in a dialog when the service requires one.

import { make } from './dom.js';
import { t } from './i18n.js';

const STORE = 'diptych-key';

/** The stored key; empty if there is none. */
export const storedKey = () => sessionStorage.getItem(STORE) ?? '';

export const hasKey = () => storedKey() !== '';

/** @param {string} key */
export function storeKey(key) {
  sessionStorage.setItem(STORE, key);
  document.dispatchEvent(new CustomEvent('key-changed'));
}

export function forgetKey() {
  sessionStorage.removeItem(STORE);
  document.dispatchEvent(new CustomEvent('key-changed'));
}

/** @type {Promise<boolean> | null} */
let dialogResult = null;

/**
 * Asks for a key after the service refused `rejected` with `status`. Requests that are refused while the dialog is
 * open share it. Resolves to false if the reader enters no key.
 *
 * @param {number} status
 * @param {string} rejected
 */
export function askForKey(status, rejected) {
  dialogResult ??= openDialog(status, rejected).finally(() => {
    dialogResult = null;
  });
  return dialogResult;
}

/**
 * @param {number} status
 * @param {string} rejected
 * @returns {Promise<boolean>}
 */
function openDialog(status, rejected) {
  return new Promise((resolve) => {
    const field = make('input', {
      id: 'key-field',
      type: 'password',
      autocomplete: 'off',
      spellcheck: 'false',
      required: true,
      'data-testid': 'key-field',
      'aria-describedby': 'key-fault key-why',
    });
    const cancel = make('button', {
      type: 'button',
      class: 'quiet',
      'data-testid': 'key-cancel',
      text: t('shared.cancel'),
    });
    const fault = !rejected ? '' : status === 403 ? t('shared.key-scope') : t('shared.key-wrong');
    const form = make(
      'form',
      { method: 'dialog' },
      make('h2', { id: 'key-title', text: t('shared.key-title') }),
      make('label', { for: 'key-field', text: t('shared.key-field') }),
      field,
      make('p', { id: 'key-fault', role: 'alert', 'data-testid': 'key-fault', text: fault }),
      make('p', { id: 'key-why', text: t('shared.key-why') }),
      make(
        'p',
        { class: 'key-buttons' },
        make('button', { class: 'solid', 'data-testid': 'key-use', text: t('shared.key-use') }),
        cancel,
      ),
    );
    const dialog = make(
      'dialog',
      { id: 'key-dialog', class: 'key-dialog', 'aria-labelledby': 'key-title', 'data-testid': 'key-dialog' },
      form,
    );
    let entered = false;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (!field.value.trim()) return;
      storeKey(field.value.trim());
      entered = true;
      dialog.close();
    });
    cancel.addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => {
      dialog.remove();
      // The service does not accept the stored key, so every further request would ask again.
      if (!entered && rejected && status === 401) forgetKey();
      resolve(entered);
    });
    document.getElementById('key-dialog')?.remove();
    document.body.append(dialog);
    dialog.showModal();
  });
}
