// Why a result is an answer: what the service says of how it was found, in words; and the examples that lie nearest to the question.

import { make, percent } from '../shared/dom.js';
import { number, t } from '../shared/i18n.js';

const READ_AS = 3;

/** Examples that are shown. */
export const EXAMPLES = 3;

/** The reasons of a result as a list; null where the service gave none. `query` is the answer's own. */
export function reasons(result, query) {
  const { vector, keyword } = result.explain ?? {};
  if (!vector) return null;
  const lines = [];
  lines.push([
    t('search.why-near'),
    vector.rank
      ? t('search.why-cosine', { cosine: number(vector.cosine, 3), rank: vector.rank })
      : t('search.why-cosine-only', { cosine: number(vector.cosine, 3) }),
  ]);
  if (Number.isFinite(result.relevance))
    lines.push([t('search.relevance'), t('search.why-relevance', { share: percent(result.relevance) })]);
  lines.push([
    t('search.why-keywords'),
    keyword
      ? t('search.why-matched', { words: keyword.matched.join(', ') || '–', rank: keyword.rank })
      : t('search.why-no-keyword'),
  ]);
  const read = (query?.predicted_labels ?? []).slice(0, READ_AS);
  if (read.length) {
    const guess = read.map(({ label, probability }) => `${label} ${percent(probability)}`).join(', ');
    const shared = read.filter(({ label }) => result.labels?.includes(label)).map(({ label }) => label);
    lines.push([
      t('search.why-read-as'),
      shared.length
        ? t('search.why-shared', { guess, shared: shared.join(', ') })
        : t('search.why-not-shared', { guess }),
    ]);
  }
  lines.push([t('search.why-place'), t('search.why-rank', { n: result.rank })]);
  return make(
    'dl',
    { class: 'why-list', 'data-testid': 'why-list' },
    ...lines.map(([name, value]) =>
      make('div', {}, make('dt', { text: name }), make('dd', { dir: 'auto', text: value })),
    ),
  );
}

/** What of the collection lies nearest to the question: that is what the question was understood by. */
export const examples = (results) => [
  make('h3', { text: t('search.why-examples') }),
  make(
    'ol',
    { class: 'why-examples', 'data-testid': 'why-examples' },
    ...results.map(({ id, text, captions, labels, score }) =>
      make(
        'li',
        {},
        make('q', { dir: 'auto', text: text ?? captions?.[0] ?? id }),
        make('span', { class: 'why-example-facts', dir: 'auto', text: `${labels.join(', ')} · ${number(score, 3)}` }),
      ),
    ),
  ),
];
