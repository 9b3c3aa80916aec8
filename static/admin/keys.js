// Keys: which there are, new ones, and an end to those that nobody should have any longer.

import { make } from '../shared/dom.js';
import { hasKey, keep, request, requestJson } from '../shared/http.js';
import { action, announce, careful, empty, failure, field, more, table } from './components.js';
import { moment, t } from '../shared/i18n.js';

const SCOPES = ['search', 'ingest', 'admin'];

export async function keysSection(place) {
  const fault = make('div');
  const made = make('div', { 'data-testid': 'new-key' });
  const list = make('div');
  place.replaceChildren(form(made, refresh), made, fault, list);
  await refresh();

  async function refresh() {
    const { keys } = await requestJson('/v1/admin/keys');
    const counts = (key) => !key.revoked_at && !(key.expires_at && new Date(key.expires_at) < new Date());
    const row = (key) => [
      make('code', { text: key.id }),
      make('span', { dir: 'auto', text: key.name || '–' }),
      key.scopes.map((scope) => t(`admin.scope-${scope}`)).join(', '),
      moment(key.created_at),
      key.expires_at ? moment(key.expires_at) : t('admin.never'),
      moment(key.last_used_at),
      counts(key)
        ? careful(
            'admin.revoke',
            'admin.revoke-sure',
            async () => {
              await request(`/v1/admin/keys/${encodeURIComponent(key.id)}`, { method: 'DELETE' });
              announce(t('admin.revoked'));
              await refresh();
            },
            fault,
          )
        : t(key.revoked_at ? 'admin.revoked' : 'admin.expired'),
    ];
    const heads = [
      t('admin.id'),
      t('admin.name'),
      t('admin.scopes'),
      t('admin.made'),
      t('admin.expires'),
      t('admin.used'),
      t('admin.do'),
    ];
    const [good, gone] = [keys.filter(counts), keys.filter((key) => !counts(key))];
    if (good.length === 0) place.querySelector('#key-scope-admin').checked = true;
    list.replaceChildren(
      good.length
        ? table(t('admin.keys-caption'), heads, good.map(row), { 'data-testid': 'keys' })
        : empty(t('admin.no-keys')),
      ...(gone.length
        ? [
            more(
              t('admin.keys-gone', { n: gone.length }),
              table(t('admin.keys-gone', { n: gone.length }), heads, gone.map(row)),
            ),
          ]
        : []),
    );
  }
}

function form(made, refresh) {
  const name = make('input', { maxlength: 100, autocomplete: 'off' });
  const days = make('input', { type: 'number', min: 1, max: 3650, step: 1, placeholder: t('admin.never') });
  const boxes = SCOPES.map((scope) => make('input', { type: 'checkbox', value: scope, checked: scope === 'search' }));
  const fault = make('div');
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
    fault,
  );
  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    fault.replaceChildren();
    const scopes = boxes.filter((box) => box.checked).map((box) => box.value);
    try {
      const key = await requestJson('/v1/admin/keys', {
        method: 'POST',
        json: { name: name.value, scopes, expires_in_days: days.value === '' ? null : days.valueAsNumber },
      });
      // The first key closes what was open: whoever made it goes on with it.
      if (!hasKey() && scopes.includes('admin')) keep(key.key);
      show(key, made);
      node.reset();
      await refresh();
    } catch (error) {
      fault.replaceChildren(failure(error));
    }
  });
  return node;
}

/** The one time that a key is shown. */
function show({ key }, made) {
  const text = make('code', { class: 'secret', tabindex: '0', 'data-testid': 'secret', text: key });
  const fault = make('div');
  made.replaceChildren(
    make(
      'div',
      { class: 'outcome' },
      make('p', { text: t('admin.key-once') }),
      text,
      make(
        'div',
        { class: 'row' },
        action(
          'shared.copy',
          async () => {
            await navigator.clipboard.writeText(key);
            announce(t('shared.copied'));
          },
          fault,
        ),
        action('admin.key-done', async () => made.replaceChildren(), fault),
      ),
      fault,
    ),
  );
  announce(t('admin.key-once'));
}
