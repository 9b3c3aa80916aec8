// @ts-check
// Why a result was found: what the service explains of its rank, and the items nearest to the query.

/** @import { Hit, ParsedQuery } from 'api' */

import { make, percent } from '../shared/dom.js';
import { formatNumber, t } from '../shared/i18n.js';

/** Predicted labels that are shown. */
const MAX_LABELS = 3;

/** Examples that are shown. */
export const EXAMPLES = 3;

/**
 * The reasons for a result as a list; null if the service gave none.
 *
 * @param {Partial<Hit>} hit
 * @param {ParsedQuery | null} parsed What the response says of the query.
 */
export function reasons(hit, parsed) {
  if (!hit.explain) return null;
  const { vector, keyword } = hit.explain;
  /** @type {[string, string][]} */
  const lines = [];
  const cosine = formatNumber(vector.cosine, 3);
  lines.push([
    t('search.why-near'),
    vector.rank ? t('search.why-cosine', { cosine, rank: vector.rank }) : t('search.why-cosine-only', { cosine }),
  ]);
  if (hit.relevance !== undefined && Number.isFinite(hit.relevance)) {
    lines.push([t('search.relevance'), t('search.why-relevance', { share: percent(hit.relevance) })]);
  }
  lines.push([
    t('search.why-keywords'),
    keyword
      ? t('search.why-matched', { words: keyword.matched.join(', ') || '–', rank: keyword.rank })
      : t('search.why-no-keyword'),
  ]);
  const predicted = (parsed?.predicted_labels ?? []).slice(0, MAX_LABELS);
  if (predicted.length) {
    const guess = predicted.map(({ label, probability }) => `${label} ${percent(probability)}`).join(', ');
    const shared = predicted.map(({ label }) => label).filter((label) => hit.labels?.includes(label));
    lines.push([
      t('search.why-read-as'),
      shared.length
        ? t('search.why-shared', { guess, shared: shared.join(', ') })
        : t('search.why-not-shared', { guess }),
    ]);
  }
  lines.push([t('search.why-place'), t('search.why-rank', { n: hit.rank })]);
  return make(
    'dl',
    { class: 'why-list', 'data-testid': 'why-list' },
    ...lines.map(([name, value]) =>
      make('div', {}, make('dt', { text: name }), make('dd', { dir: 'auto', text: value })),
    ),
  );
}

/**
 * The items that are nearest to the query, which show how the model understood it.
 *
 * @param {Hit[]} hits
 */
export const examples = (hits) => [
  make('h3', { text: t('search.why-examples') }),
  make(
    'ol',
    { class: 'why-examples', 'data-testid': 'why-examples' },
    ...hits.map(({ id, text, captions, labels, score }) =>
      make(
        'li',
        {},
        make('q', { dir: 'auto', text: text ?? captions?.[0] ?? id }),
        make('span', {
          class: 'why-example-facts',
          dir: 'auto',
          text: `${labels.join(', ')} · ${formatNumber(score, 3)}`,
        }),
      ),
    ),
  ),
];
