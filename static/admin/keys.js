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
      key.scopes.map((scope) => t(`scope-${scope}`)).join(', '),
      moment(key.created_at),
      key.expires_at ? moment(key.expires_at) : t('never'),
      moment(key.last_used_at),
      counts(key)
        ? careful(
            'revoke',
            'revoke-sure',
            async () => {
              await request(`/v1/admin/keys/${encodeURIComponent(key.id)}`, { method: 'DELETE' });
              announce(t('revoked'));
              await refresh();
            },
            fault,
          )
        : t(key.revoked_at ? 'revoked' : 'expired'),
    ];
    const heads = [t('id'), t('name'), t('scopes'), t('made'), t('expires'), t('used'), t('do')];
    const [good, gone] = [keys.filter(counts), keys.filter((key) => !counts(key))];
    if (good.length === 0) place.querySelector('#key-scope-admin').checked = true;
    list.replaceChildren(
      good.length ? table(t('keys-caption'), heads, good.map(row), { 'data-testid': 'keys' }) : empty(t('no-keys')),
      ...(gone.length
        ? [more(t('keys-gone', { n: gone.length }), table(t('keys-gone', { n: gone.length }), heads, gone.map(row)))]
        : []),
    );
  }
}

function form(made, refresh) {
  const name = make('input', { maxlength: 100, autocomplete: 'off' });
  const days = make('input', { type: 'number', min: 1, max: 3650, step: 1, placeholder: t('never') });
  const boxes = SCOPES.map((scope) => make('input', { type: 'checkbox', value: scope, checked: scope === 'search' }));
  const fault = make('div');
  const node = make(
    'form',
    { class: 'panel-form', 'data-testid': 'key-form' },
    make('div', { class: 'fields' }, field('key-name', t('name'), name), field('key-days', t('expires-in'), days)),
    make(
      'fieldset',
      {},
      make('legend', { text: t('scopes') }),
      ...SCOPES.map((scope, at) =>
        field(`key-scope-${scope}`, t(`scope-${scope}`), boxes[at], t(`scope-${scope}-hint`)),
      ),
    ),
    make('p', {}, make('button', { class: 'solid', 'data-testid': 'key-make', text: t('key-make') })),
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
      make('p', { text: t('key-once') }),
      text,
      make(
        'div',
        { class: 'row' },
        action(
          'copy',
          async () => {
            await navigator.clipboard.writeText(key);
            announce(t('copied'));
          },
          fault,
        ),
        action('key-done', async () => made.replaceChildren(), fault),
      ),
      fault,
    ),
  );
  announce(t('key-once'));
}
