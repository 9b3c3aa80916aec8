// Models: how good each is, which one answers, two of them side by side.

import { make } from '../shared/dom.js';
import { hasKey, request, requestJson } from '../shared/http.js';
import { showPlots } from './plots.js';
import { action, announce, careful, duration, empty, more, table } from './components.js';
import { moment, number, t } from '../shared/i18n.js';

/** Rows of a comparison: a name, and where the report has it. All are shares; for errors less is better. */
const METRICS = [
  ['admin.metric-map-it', (report) => report.map_image_to_text],
  ['admin.metric-map-ti', (report) => report.map_text_to_image],
  ['admin.metric-r1-it', (report) => report.recall_image_to_text?.at_1],
  ['admin.metric-r1-ti', (report) => report.recall_text_to_image?.at_1],
  ['admin.metric-r10-it', (report) => report.recall_image_to_text?.at_10],
  ['admin.metric-r10-ti', (report) => report.recall_text_to_image?.at_10],
  ['admin.metric-label-i', (report) => report.label_accuracy_image],
  ['admin.metric-label-t', (report) => report.label_accuracy_text],
  ['admin.metric-error-it', (report) => report.calibration_error_image_to_text, true],
  ['admin.metric-error-ti', (report) => report.calibration_error_text_to_image, true],
];

const share = (value) => (Number.isFinite(value) ? number(value, 3) : '–');

export async function modelsSection(place) {
  const { models, before } = await requestJson('/v1/models');
  if (models.length === 0) {
    place.replaceChildren(empty(t('admin.no-models')));
    return;
  }
  const fault = make('div');
  const compared = make('div', { id: 'compared', 'data-testid': 'compared' });
  // What somebody reads stays while the list is drawn anew.
  const plotted = place.querySelector('#plotted') ?? make('div', { id: 'plotted' });
  const chosen = new Set();
  const rows = models.map((model) => {
    const box = make('input', {
      type: 'checkbox',
      'aria-label': t('admin.compare-this', { model: model.version }),
      'data-testid': 'compare',
    });
    box.addEventListener('change', () => {
      if (box.checked) chosen.add(model);
      else chosen.delete(model);
      // Of two that are compared the older choice gives way to a third.
      if (chosen.size > 2) {
        const first = chosen.values().next().value;
        chosen.delete(first);
        place.querySelectorAll('[data-testid=compare]')[models.indexOf(first)].checked = false;
      }
      compared.replaceChildren(...(chosen.size === 2 ? comparison(...chosen) : []));
      if (chosen.size === 2) announce(t('admin.compared', { n: METRICS.length }));
    });
    const name = make(
      'span',
      {},
      make('code', { text: model.version }),
      model.active ? make('span', { class: 'badge', text: t('admin.answers') }) : null,
    );
    const buttons = make('div', { class: 'row' });
    if (!model.active) {
      buttons.append(
        careful(
          'admin.activate',
          'admin.activate-sure',
          () => switched(`/v1/models/${encodeURIComponent(model.version)}/activate`),
          fault,
        ),
      );
    }
    buttons.append(
      action('admin.report', () => openReport(model.version), fault),
      action('admin.plots', () => showPlots(model.version, plotted), fault),
    );
    return [
      box,
      name,
      moment(model.created_at),
      within(model.report.map_image_to_text, model.report.interval_image_to_text),
      within(model.report.map_text_to_image, model.report.interval_text_to_image),
      duration(model.seconds),
      verdict(model.gate),
      buttons,
    ];
  });
  // What heads a row is its name, not the box beside it.
  const shown = table(
    t('admin.models-caption'),
    [
      t('admin.model'),
      t('admin.compare'),
      t('admin.made'),
      t('admin.metric-map-it'),
      t('admin.metric-map-ti'),
      t('admin.took'),
      t('admin.gate'),
      t('admin.do'),
    ],
    rows.map(([box, name, ...others]) => [name, box, ...others]),
    { class: 'models', 'data-testid': 'models' },
  );
  place.replaceChildren(
    make('p', { class: 'soft', text: t('admin.models-hint') }),
    shown,
    make(
      'div',
      { class: 'row' },
      careful(
        'admin.rollback',
        'admin.rollback-sure',
        () => switched('/v1/models/rollback'),
        fault,
        before ? { text: t('admin.rollback-to', { model: before }) } : { disabled: true },
      ),
    ),
    fault,
    compared,
    plotted,
  );
}

/** A share with the interval in which 95 % of other test sets of this size would put it. */
const within = (value, interval) =>
  make(
    'span',
    {},
    share(value),
    interval ? make('span', { class: 'soft', text: ` ${share(interval[0])}–${share(interval[1])}` }) : null,
  );

function verdict(gate) {
  if (!gate) return t('admin.gate-none');
  if (gate.objections?.length)
    return more(
      gate.promoted ? t('admin.gate-forced') : t('admin.gate-held'),
      ...gate.objections.map((text) => make('p', { text })),
    );
  return gate.promoted ? t('admin.gate-passed') : t('admin.gate-held');
}

async function switched(path) {
  const task = await requestJson(path, { method: 'POST' });
  document.dispatchEvent(new CustomEvent('task-begun', { detail: task }));
}

/** The page of a report. A new tab shows no key: then it is kept as a file. */
async function openReport(version) {
  const path = `/v1/models/${encodeURIComponent(version)}/report?format=html`;
  const page = await (await request(path)).blob();
  if (!hasKey()) {
    window.open(path, '_blank', 'noopener');
    return;
  }
  const link = make('a', { href: URL.createObjectURL(page), download: `${version}.html` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  announce(t('admin.report-saved'));
}

function comparison(one, other) {
  const [left, right] = one.created_at < other.created_at ? [one, other] : [other, one];
  const rows = METRICS.map(([name, of, less]) => [t(name), ...beside(of(left.report), of(right.report), less)]);
  const classes = new Map((left.report.per_class ?? []).map((each) => [each.label, each]));
  const mean = (each) => (each ? (each.image_to_text + each.text_to_image) / 2 : undefined);
  const perClass = (right.report.per_class ?? [])
    .map((each) => [each.label, mean(classes.get(each.label)), mean(each)])
    .sort((a, b) => a[2] - a[1] - (b[2] - b[1]))
    .map(([label, before, after]) => [label, ...beside(before, after)]);
  const heads = (first) => [first, left.version, right.version, t('admin.difference')];
  return [
    table(t('admin.compared-caption'), heads(t('admin.metric')), rows),
    more(t('admin.per-class'), table(t('admin.per-class'), heads(t('admin.label')), perClass)),
  ];
}

function beside(before, after, less = false) {
  const exact = after - before;
  // What three digits do not show is none.
  const difference = Math.abs(exact) < 0.0005 ? 0 : exact;
  if (!Number.isFinite(difference)) return [share(before), share(after), '–'];
  const better = less ? difference < 0 : difference > 0;
  const mark = difference === 0 ? '' : better ? '▲ ' : '▼ ';
  const said = `${mark}${difference > 0 ? '+' : ''}${number(difference, 3)}`;
  return [
    share(before),
    share(after),
    make('span', {
      class: mark ? (better ? 'better' : 'worse') : '',
      text: said,
      title: mark ? t(better ? 'admin.better' : 'admin.worse') : null,
    }),
  ];
}
