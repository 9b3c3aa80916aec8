// @ts-check
// Section "Keys": the API keys that exist, new ones, and revoking those that are no longer needed.

/** @import { ApiKey, NewApiKey } from 'api' */

import { hasKey, storeKey } from '../shared/api-key.js';
import { byId, make } from '../shared/dom.js';
import { request, requestJson } from '../shared/http.js';
import { formatTime, t } from '../shared/i18n.js';
import { action, announce, confirmAction, details, emptyText, errorBox, field, table } from './components.js';

const SCOPES = ['search', 'ingest', 'admin'];

/** @param {ApiKey} key */
const isValid = ({ revoked_at: revokedAt, expires_at: expiresAt }) =>
  !revokedAt && !(expiresAt && new Date(expiresAt) < new Date());

/** @param {HTMLElement} place */
export async function keysSection(place) {
  const errors = make('div');
  const created = make('div', { 'data-testid': 'new-key' });
  const list = make('div');
  place.replaceChildren(keyForm(created, refresh), created, errors, list);
  await refresh();

  async function refresh() {
    /** @type {{ keys: ApiKey[] }} */
    const { keys } = await requestJson('/v1/admin/keys');
    const headers = [
      t('admin.id'),
      t('admin.name'),
      t('admin.scopes'),
      t('admin.made'),
      t('admin.expires'),
      t('admin.used'),
      t('admin.do'),
    ];
    const [valid, invalid] = [keys.filter(isValid), keys.filter((key) => !isValid(key))];
    // The first key has to be one that can create others.
    if (valid.length === 0) byId('key-scope-admin', HTMLInputElement).checked = true;
    /** @type {HTMLElement[]} */
    const parts = [
      valid.length
        ? table(t('admin.keys-caption'), headers, valid.map(row), { 'data-testid': 'keys' })
        : emptyText(t('admin.no-keys')),
    ];
    if (invalid.length) {
      const text = t('admin.keys-gone', { n: invalid.length });
      parts.push(details(text, table(text, headers, invalid.map(row))));
    }
    list.replaceChildren(...parts);
  }

  /** @param {ApiKey} key */
  function row(key) {
    return [
      make('code', { text: key.id }),
      make('span', { dir: 'auto', text: key.name || '–' }),
      key.scopes.map((scope) => t(`admin.scope-${scope}`)).join(', '),
      formatTime(key.created_at),
      key.expires_at ? formatTime(key.expires_at) : t('admin.never'),
      formatTime(key.last_used_at),
      isValid(key) ? revokeButton(key) : t(key.revoked_at ? 'admin.revoked' : 'admin.expired'),
    ];
  }

  /** @param {ApiKey} key */
  function revokeButton({ id }) {
    return confirmAction(
      'admin.revoke',
      'admin.revoke-sure',
      async () => {
        await request(`/v1/admin/keys/${encodeURIComponent(id)}`, { method: 'DELETE' });
        announce(t('admin.revoked'));
        await refresh();
      },
      errors,
    );
  }
}

/**
 * @param {HTMLElement} created Place for the new key.
 * @param {() => Promise<void>} refresh
 */
function keyForm(created, refresh) {
  const name = make('input', { maxlength: 100, autocomplete: 'off' });
  const days = make('input', { type: 'number', min: 1, max: 3650, step: 1, placeholder: t('admin.never') });
  const boxes = SCOPES.map((scope) => make('input', { type: 'checkbox', value: scope, checked: scope === 'search' }));
  const errors = make('div');
  const node = make(
    'form',
    { class: 'panel-form', 'data-testid': 'key-form' },
    make(
      'div',
      { class: 'fields' },
      field('key-name', t('admin.name'), name),
      field('key-days', t('admin.expires-in'), days),
    ),
    make(
      'fieldset',
      {},
      make('legend', { text: t('admin.scopes') }),
      ...SCOPES.map((scope, at) =>
        field(`key-scope-${scope}`, t(`admin.scope-${scope}`), boxes[at], t(`admin.scope-${scope}-hint`)),
      ),
    ),
    make('p', {}, make('button', { class: 'solid', 'data-testid': 'key-make', text: t('admin.key-make') })),
    errors,
  );
  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    errors.replaceChildren();
    const scopes = boxes.filter(({ checked }) => checked).map(({ value }) => value);
    const json = { name: name.value, scopes, expires_in_days: days.value === '' ? null : days.valueAsNumber };
    try {
      /** @type {NewApiKey} */
      const { key } = await requestJson('/v1/admin/keys', { method: 'POST', json });
      // From the first key on the service requires one, so the page uses it.
      if (!hasKey() && scopes.includes('admin')) storeKey(key);
      showKey(key, created);
      node.reset();
      await refresh();
    } catch (error) {
      errors.replaceChildren(errorBox(error));
    }
  });
  return node;
}

/**
 * Shows a new key. The service cannot show it again.
 *
 * @param {string} key
 * @param {HTMLElement} place
 */
function showKey(key, place) {
  const errors = make('div');
  const copy = async () => {
    await navigator.clipboard.writeText(key);
    announce(t('shared.copied'));
  };
  place.replaceChildren(
    make(
      'div',
      { class: 'outcome' },
      make('p', { text: t('admin.key-once') }),
      make('code', { class: 'secret', tabindex: '0', 'data-testid': 'secret', text: key }),
      make(
        'div',
        { class: 'row' },
        action('shared.copy', copy, errors),
        action('admin.key-done', () => place.replaceChildren(), errors),
      ),
      errors,
    ),
  );
  announce(t('admin.key-once'));
}
