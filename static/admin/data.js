// What the collection holds, what its items lack, what was refused, and how large its classes are.

import { make } from '../shared/dom.js';
import { requestJson } from '../shared/http.js';
import { openItem } from './item.js';
import { empty, more, table } from './components.js';
import { number, t } from '../shared/i18n.js';

export async function dataSection(place) {
  const [health, { labels }] = await Promise.all([requestJson('/v1/admin/health'), requestJson('/v1/labels')]);
  if (health.items === 0 && health.rejections.total === 0) {
    place.replaceChildren(empty(t('admin.no-items')));
    return;
  }
  const parts = [
    make(
      'dl',
      { class: 'tiles', 'data-testid': 'health' },
      tile('items', health.items),
      tile('pictures', health.pictures),
      tile('captions', health.captions),
      tile('classes', health.labels),
      tile('no-picture', health.without_picture, true),
      tile('no-caption', health.without_caption, true),
      tile('no-label', health.without_label, true),
      tile('unreadable-n', health.unreadable.total, true),
      tile('duplicates', health.duplicates.spare, true),
      tile('rejected', health.rejections.total, true),
    ),
  ];
  parts.push(
    ...[refused(health.rejections), unreadable(health.unreadable), duplicates(health.duplicates)].filter(Boolean),
  );
  if (!health.rejections.total && !health.unreadable.total && !health.duplicates.pictures) {
    parts.push(make('p', { class: 'soft', text: t('admin.nothing-amiss') }));
  }
  parts.push(make('h3', { text: t('admin.class-sizes') }), sizes(labels));
  place.replaceChildren(...parts);
}

/** A figure and what it counts; one that should be nothing is marked where it is not. */
const tile = (name, n, bad = false) =>
  make(
    'div',
    { class: bad && n > 0 ? 'tile bad' : 'tile' },
    make('dt', { text: t(`admin.tile-${name}`) }),
    make('dd', { text: number(n), 'data-testid': `tile-${name}` }),
  );

function sizes(labels) {
  if (labels.length === 0) return empty(t('admin.no-classes'));
  const most = Math.max(...labels.map((label) => label.count));
  const rows = labels
    .toSorted((a, b) => b.count - a.count || a.label.localeCompare(b.label))
    .map(({ label, count }) =>
      make(
        'li',
        {},
        make('a', { href: `/?q=${encodeURIComponent(label)}`, dir: 'auto', text: label }),
        make('span', { class: 'bar', share: count / most, 'aria-hidden': 'true' }),
        make('span', { class: 'figure', text: number(count) }),
      ),
    );
  return make('ul', { class: 'bars', 'data-testid': 'classes' }, ...rows);
}

function refused({ total, records }) {
  if (total === 0) return null;
  return more(
    t('admin.rejections', { n: total }),
    table(
      t('admin.rejections-first', { n: records.length }),
      [t('admin.file'), t('admin.line'), t('admin.reason')],
      records.map((one) => [one.file, one.line, one.reason]),
    ),
  );
}

function unreadable({ total, items }) {
  if (total === 0) return null;
  return more(
    t('admin.unreadables', { n: total }),
    table(
      t('admin.unreadables', { n: total }),
      [t('admin.item'), t('admin.reason')],
      items.map((one) => [opener(one.id), one.reason]),
    ),
  );
}

function duplicates({ pictures, groups }) {
  if (pictures === 0) return null;
  return more(
    t('admin.duplicate-groups', { n: pictures }),
    make(
      'ul',
      { class: 'groups', 'data-testid': 'duplicate-groups' },
      ...groups.map(({ items, ids }) =>
        make('li', {}, ...ids.map(opener), items > ids.length ? `+${number(items - ids.length)}` : null),
      ),
    ),
  );
}

function opener(id) {
  const button = make('button', { type: 'button', class: 'link', text: id });
  button.addEventListener('click', () => openItem(id));
  return button;
}
