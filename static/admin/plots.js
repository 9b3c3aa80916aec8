// @ts-check
// Plots of a model's evaluation: precision by recall, calibration, confusion.

/** @import { Curves } from 'api' */

import { make } from '../shared/dom.js';
import { requestJson } from '../shared/http.js';
import { formatNumber, t } from '../shared/i18n.js';
import { chart } from './chart.js';
import { emptyText, table } from './components.js';

/** Most labels in a confusion matrix. A larger one would be unreadable and is left out. */
const MAX_MATRIX_LABELS = 40;
const MAX_CONFUSIONS = 12;

/**
 * The model whose plots were requested last.
 *
 * @type {string | null}
 */
let requested = null;

/**
 * Shows the plots of a model, or that it has not been evaluated.
 *
 * @param {string} version
 * @param {HTMLElement} place
 */
export async function showPlots(version, place) {
  requested = version;
  /** @type {{ curves: Curves | null }} */
  const { curves } = await requestJson(`/v1/models/${encodeURIComponent(version)}/report`);
  if (requested !== version) return;
  const title = make('h3', { tabindex: '-1', text: t('admin.plots-of', { model: version }) });
  place.replaceChildren(title, ...(curves ? plots(curves) : [emptyText(t('admin.plots-none'))]));
  title.focus();
}

/** @param {Curves} curves */
function plots({ classes, confusion, precision_at_recall: precisions, reliability }) {
  const precision = chart(t('admin.plot-precision'), [t('admin.image-to-text'), t('admin.text-to-image')], {
    showsLast: false,
  });
  precisions.image_to_text.forEach((value, at, { length }) => {
    precision.add(at / (length - 1), [value, precisions.text_to_image[at]]);
  });
  const calibrations = reliability.map(({ pairs, bins }) => {
    const kinds = pairs.replaceAll(' ', '-');
    const calibration = chart(
      t('admin.plot-calibration', { pairs: t(`admin.pairs-${kinds}`) }),
      [t('admin.plot-observed'), t('admin.plot-promised')],
      { showsLast: false },
    );
    for (const { count, promised, observed } of bins) if (count) calibration.add(promised, [observed, promised]);
    return calibration;
  });
  const charts = [precision, ...calibrations].filter(({ points }) => points.length > 0).map(({ node }) => node);
  return [
    make('p', { class: 'soft', text: t('admin.plots-hint') }),
    make('div', { class: 'charts', 'data-testid': 'plots-drawn' }, ...charts),
    ...(classes.length > MAX_MATRIX_LABELS ? [] : [matrix(classes, confusion)]),
    confusions(classes, confusion),
  ];
}

/**
 * The most frequent confusions.
 *
 * @param {string[]} classes
 * @param {Curves['confusion']} counts
 */
function confusions(classes, counts) {
  const wrong = counts
    .filter(([truth, predicted]) => truth !== predicted)
    .sort((a, b) => b[2] - a[2])
    .slice(0, MAX_CONFUSIONS);
  if (!wrong.length) return emptyText(t('admin.plot-no-mistakes'));
  return table(
    t('admin.plot-mistakes'),
    [t('admin.plot-true'), t('admin.plot-named'), t('admin.tile-pictures')],
    wrong.map(([truth, predicted, count]) => [classes[truth], classes[predicted], count]),
    { 'data-testid': 'mistakes' },
  );
}

/**
 * The confusion matrix: a row for each true label, a column for each predicted one.
 *
 * @param {string[]} classes
 * @param {Curves['confusion']} counts
 */
function matrix(classes, counts) {
  const cells = new Map(counts.map(([truth, predicted, count]) => [truth * classes.length + predicted, count]));
  const rows = classes.map((name, truth) => {
    const row = classes.map((_, predicted) => cells.get(truth * classes.length + predicted) ?? 0);
    const total = row.reduce((sum, count) => sum + count, 0);
    const columns = row.map((count, predicted) =>
      make('td', {
        class: count ? (truth === predicted ? 'right' : 'wrong') : null,
        share: total ? count / total : 0,
        text: count ? formatNumber(count) : '',
        title: t('admin.plot-cell', { truth: name, named: classes[predicted], n: count, all: total }),
      }),
    );
    return make('tr', {}, make('th', { scope: 'row', dir: 'auto', text: name }), ...columns);
  });
  const headers = classes.map((name) => make('th', { scope: 'col' }, make('span', { dir: 'auto', text: name })));
  return make(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t('admin.plot-confusion') },
    make(
      'table',
      { class: 'matrix', 'data-testid': 'confusion' },
      make('caption', { text: t('admin.plot-confusion') }),
      make('thead', {}, make('tr', {}, make('td'), ...headers)),
      make('tbody', {}, ...rows),
    ),
  );
}
