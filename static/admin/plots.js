// The plots of a model's report: precision and recall, calibration, confusion.

import { make } from '../shared/dom.js';
import { requestJson } from '../shared/http.js';
import { chart } from './chart.js';
import { empty, table } from './components.js';
import { number, t } from '../shared/i18n.js';

/** Classes of a matrix that can still be read, and mistakes that are listed beside it. */
const READABLE = 40;
const MISTAKES = 12;

/** The model whose plots were asked for last. */
let wanted = null;

/** Shows them in `place`; where no evaluation has made them yet, says so. */
export async function showPlots(version, place) {
  wanted = version;
  const { curves } = await requestJson(`/v1/models/${encodeURIComponent(version)}/report`);
  if (wanted !== version) return;
  const title = make('h3', { tabindex: '-1', text: t('admin.plots-of', { model: version }) });
  place.replaceChildren(title, ...(curves ? plots(curves) : [empty(t('admin.plots-none'))]));
  title.focus();
}

function plots({
  classes,
  confusion,
  precision_at_recall: { image_to_text: there, text_to_image: back },
  reliability,
}) {
  const precision = chart(t('admin.plot-precision'), [t('admin.image-to-text'), t('admin.text-to-image')], {
    last: false,
  });
  there.forEach((value, at) => precision.add(at / (there.length - 1), [value, back[at]]));
  const kept = reliability.map(({ pairs, bins }) => {
    const kinds = pairs.replaceAll(' ', '-');
    const promises = chart(
      t('admin.plot-calibration', { pairs: t(`admin.pairs-${kinds}`) }),
      [t('admin.plot-observed'), t('admin.plot-promised')],
      { last: false },
    );
    for (const { count, promised, observed } of bins) if (count) promises.add(promised, [observed, promised]);
    return promises;
  });
  const drawn = [precision, ...kept].filter(({ points }) => points.length > 0).map(({ node }) => node);
  return [
    make('p', { class: 'soft', text: t('admin.plots-hint') }),
    make('div', { class: 'charts', 'data-testid': 'plots-drawn' }, ...drawn),
    ...confused(classes, confusion),
  ];
}

function confused(classes, counts) {
  const wrong = counts
    .filter(([truth, named]) => truth !== named)
    .sort((a, b) => b[2] - a[2])
    .slice(0, MISTAKES);
  const mistakes = wrong.length
    ? table(
        t('admin.plot-mistakes'),
        [t('admin.plot-true'), t('admin.plot-named'), t('admin.tile-pictures')],
        wrong.map(([truth, named, count]) => [classes[truth], classes[named], count]),
        { 'data-testid': 'mistakes' },
      )
    : empty(t('admin.plot-no-mistakes'));
  return classes.length > READABLE ? [mistakes] : [matrix(classes, counts), mistakes];
}

function matrix(classes, counts) {
  const cells = new Map(counts.map(([truth, named, count]) => [truth * classes.length + named, count]));
  const rows = classes.map((name, truth) => {
    const row = classes.map((_, named) => cells.get(truth * classes.length + named) ?? 0);
    const all = row.reduce((sum, count) => sum + count, 0);
    return make(
      'tr',
      {},
      make('th', { scope: 'row', dir: 'auto', text: name }),
      ...row.map((count, named) =>
        make('td', {
          class: count ? (truth === named ? 'right' : 'wrong') : null,
          share: all ? count / all : 0,
          text: count ? number(count) : '',
          title: t('admin.plot-cell', { truth: name, named: classes[named], n: count, all }),
        }),
      ),
    );
  });
  return make(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t('admin.plot-confusion') },
    make(
      'table',
      { class: 'matrix', 'data-testid': 'confusion' },
      make('caption', { text: t('admin.plot-confusion') }),
      make(
        'thead',
        {},
        make(
          'tr',
          {},
          make('td'),
          ...classes.map((name) => make('th', { scope: 'col' }, make('span', { dir: 'auto', text: name }))),
        ),
      ),
      make('tbody', {}, ...rows),
    ),
  );
}
