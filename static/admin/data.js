// @ts-check
// Section "Data": what the collection holds, what its items lack, which records were rejected, and the size of its
// labels.

/** @import { DataQuality, Label } from 'api' */

import { make } from '../shared/dom.js';
import { requestJson } from '../shared/http.js';
import { formatNumber, t } from '../shared/i18n.js';
import { details, emptyText, table } from './components.js';
import { openItem } from './item.js';

/** @param {HTMLElement} place */
export async function dataSection(place) {
  /** @type {[DataQuality, { labels: Label[] }]} */
  const [quality, { labels }] = await Promise.all([requestJson('/v1/admin/health'), requestJson('/v1/labels')]);
  if (quality.items === 0 && quality.rejections.total === 0) {
    place.replaceChildren(emptyText(t('admin.no-items')));
    return;
  }
  /** @type {HTMLElement[]} */
  const parts = [
    make(
      'dl',
      { class: 'tiles', 'data-testid': 'health' },
      tile('items', quality.items),
      tile('pictures', quality.pictures),
      tile('captions', quality.captions),
      tile('classes', quality.labels),
      tile('no-picture', quality.without_picture, true),
      tile('no-caption', quality.without_caption, true),
      tile('no-label', quality.without_label, true),
      tile('unreadable-n', quality.unreadable.total, true),
      tile('duplicates', quality.duplicates.spare, true),
      tile('rejected', quality.rejections.total, true),
    ),
  ];
  if (quality.rejections.total) parts.push(rejections(quality.rejections));
  if (quality.unreadable.total) parts.push(unreadable(quality.unreadable));
  if (quality.duplicates.pictures) parts.push(duplicates(quality.duplicates));
  if (!quality.rejections.total && !quality.unreadable.total && !quality.duplicates.pictures) {
    parts.push(make('p', { class: 'soft', text: t('admin.nothing-amiss') }));
  }
  parts.push(make('h3', { text: t('admin.class-sizes') }), labelSizes(labels));
  place.replaceChildren(...parts);
}

/**
 * A number and what it counts.
 *
 * @param {string} name
 * @param {number} count
 * @param {boolean} [isFault] Whether it should be 0; it is highlighted if it is not.
 */
const tile = (name, count, isFault = false) =>
  make(
    'div',
    { class: isFault && count > 0 ? 'tile bad' : 'tile' },
    make('dt', { text: t(`admin.tile-${name}`) }),
    make('dd', { text: formatNumber(count), 'data-testid': `tile-${name}` }),
  );

/** @param {Label[]} labels */
function labelSizes(labels) {
  if (labels.length === 0) return emptyText(t('admin.no-classes'));
  const largest = Math.max(...labels.map(({ count }) => count));
  const sorted = labels.toSorted((a, b) => b.count - a.count || a.label.localeCompare(b.label));
  const rows = sorted.map(({ label, count }) =>
    make(
      'li',
      {},
      make('a', { href: `/?q=${encodeURIComponent(label)}`, dir: 'auto', text: label }),
      make('span', { class: 'bar', share: count / largest, 'aria-hidden': 'true' }),
      make('span', { class: 'figure', text: formatNumber(count) }),
    ),
  );
  return make('ul', { class: 'bars', 'data-testid': 'classes' }, ...rows);
}

/** @param {DataQuality['rejections']} rejections */
function rejections({ total, records }) {
  return details(
    t('admin.rejections', { n: total }),
    table(
      t('admin.rejections-first', { n: records.length }),
      [t('admin.file'), t('admin.line'), t('admin.reason')],
      records.map(({ file, line, reason }) => [file, line, reason]),
    ),
  );
}

/** @param {DataQuality['unreadable']} unreadable */
function unreadable({ total, items }) {
  const text = t('admin.unreadables', { n: total });
  const rows = items.map(({ id, reason }) => [itemLink(id), reason]);
  return details(text, table(text, [t('admin.item'), t('admin.reason')], rows));
}

/** @param {DataQuality['duplicates']} duplicates */
function duplicates({ pictures, groups }) {
  return details(
    t('admin.duplicate-groups', { n: pictures }),
    make(
      'ul',
      { class: 'groups', 'data-testid': 'duplicate-groups' },
      ...groups.map(({ items, ids }) =>
        make('li', {}, ...ids.map(itemLink), items > ids.length ? `+${formatNumber(items - ids.length)}` : null),
      ),
    ),
  );
}

/** @param {string} id */
function itemLink(id) {
  const node = make('button', { type: 'button', class: 'link', text: id });
  node.addEventListener('click', () => openItem(id));
  return node;
}
