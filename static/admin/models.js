// @ts-check
// Section "Models": how good each model is, which one serves, and two of them side by side.

/** @import { EvaluationReport, Model, PromotionDecision, Task } from 'api' */

import { hasKey } from '../shared/api-key.js';
import { make } from '../shared/dom.js';
import { request, requestJson } from '../shared/http.js';
import { formatNumber, formatTime, t } from '../shared/i18n.js';
import { action, announce, confirmAction, details, duration, emptyText, table } from './components.js';
import { showPlots } from './plots.js';

/**
 * Rows of a comparison: the key of a name, the value of a report, and whether less is better.
 *
 * @type {[string, (report: EvaluationReport) => number | undefined, boolean?][]}
 */
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

/** Differences below this are not visible in three decimals. */
const MIN_DIFFERENCE = 0.0005;

/** @param {number | undefined} value */
const share = (value) => (value !== undefined && Number.isFinite(value) ? formatNumber(value, 3) : '–');

/** @param {HTMLElement} place */
export async function modelsSection(place) {
  /** @type {{ models: Model[], before: string | null }} */
  const { models, before } = await requestJson('/v1/models');
  if (models.length === 0) {
    place.replaceChildren(emptyText(t('admin.no-models')));
    return;
  }
  const errors = make('div');
  const compared = make('div', { id: 'compared', 'data-testid': 'compared' });
  // Plots that the reader has opened stay when the list is drawn again.
  const oldPlots = place.querySelector('#plotted');
  const plots = oldPlots instanceof HTMLElement ? oldPlots : make('div', { id: 'plotted' });
  const headers = [
    t('admin.model'),
    t('admin.compare'),
    t('admin.made'),
    t('admin.metric-map-it'),
    t('admin.metric-map-ti'),
    t('admin.took'),
    t('admin.gate'),
    t('admin.do'),
  ];
  const boxes = comparisonBoxes(models, compared);
  const rows = models.map((model, index) => {
    const { report } = model;
    return [
      nameOf(model),
      boxes[index],
      formatTime(model.created_at),
      withInterval(report.map_image_to_text, report.interval_image_to_text),
      withInterval(report.map_text_to_image, report.interval_text_to_image),
      duration(model.seconds),
      decision(model.gate),
      buttonsOf(model, plots, errors),
    ];
  });
  const rollback = confirmAction(
    'admin.rollback',
    'admin.rollback-sure',
    () => activate('/v1/models/rollback'),
    errors,
    before ? { text: t('admin.rollback-to', { model: before }) } : { disabled: true },
  );
  place.replaceChildren(
    make('p', { class: 'soft', text: t('admin.models-hint') }),
    table(t('admin.models-caption'), headers, rows, { class: 'models', 'data-testid': 'models' }),
    make('div', { class: 'row' }, rollback),
    errors,
    compared,
    plots,
  );
}

/** @param {Model} model */
const nameOf = ({ version, active }) =>
  make(
    'span',
    {},
    make('code', { text: version }),
    active ? make('span', { class: 'badge', text: t('admin.answers') }) : null,
  );

/**
 * Check boxes that select two models to compare. A third choice replaces the first.
 *
 * @param {Model[]} models
 * @param {HTMLElement} compared
 */
function comparisonBoxes(models, compared) {
  /** @type {{ box: HTMLInputElement, model: Model }[]} */
  let chosen = [];
  return models.map((model) => {
    const box = make('input', {
      type: 'checkbox',
      'aria-label': t('admin.compare-this', { model: model.version }),
      'data-testid': 'compare',
    });
    box.addEventListener('change', () => {
      chosen = chosen.filter((one) => one.box !== box);
      if (box.checked) chosen.push({ box, model });
      if (chosen.length > 2) {
        chosen[0].box.checked = false;
        chosen = chosen.slice(1);
      }
      compared.replaceChildren(...(chosen.length === 2 ? comparison(chosen[0].model, chosen[1].model) : []));
      if (chosen.length === 2) announce(t('admin.compared', { n: METRICS.length }));
    });
    return box;
  });
}

/**
 * @param {Model} model
 * @param {HTMLElement} plots
 * @param {HTMLElement} errors
 */
function buttonsOf({ version, active }, plots, errors) {
  const path = `/v1/models/${encodeURIComponent(version)}/activate`;
  return make(
    'div',
    { class: 'row' },
    active ? null : confirmAction('admin.activate', 'admin.activate-sure', () => activate(path), errors),
    action('admin.report', () => openReport(version), errors),
    action('admin.plots', () => showPlots(version, plots), errors),
  );
}

/**
 * A value with its 95 % interval.
 *
 * @param {number} value
 * @param {[number, number]} [interval]
 */
const withInterval = (value, interval) =>
  make(
    'span',
    {},
    share(value),
    interval ? make('span', { class: 'soft', text: ` ${share(interval[0])}–${share(interval[1])}` }) : null,
  );

/** @param {PromotionDecision | null} gate */
function decision(gate) {
  if (!gate) return t('admin.gate-none');
  const { promoted, objections } = gate;
  if (!objections?.length) return promoted ? t('admin.gate-passed') : t('admin.gate-held');
  const summary = promoted ? t('admin.gate-forced') : t('admin.gate-held');
  return details(summary, ...objections.map((text) => make('p', { text })));
}

/** @param {string} path */
async function activate(path) {
  /** @type {Task} */
  const task = await requestJson(path, { method: 'POST' });
  document.dispatchEvent(new CustomEvent('task-started', { detail: task }));
}

/**
 * Opens the report of a model. A new tab cannot send an API key: with one, the report is saved as a file.
 *
 * @param {string} version
 */
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

/**
 * Two models side by side, the older one first.
 *
 * @param {Model} one
 * @param {Model} other
 */
function comparison(one, other) {
  const [left, right] = one.created_at < other.created_at ? [one, other] : [other, one];
  const rows = METRICS.map(([name, valueOf, lessIsBetter]) => [
    t(name),
    ...difference(valueOf(left.report), valueOf(right.report), lessIsBetter),
  ]);
  /** @param {Model} model */
  const byLabel = ({ report }) =>
    new Map((report.per_class ?? []).map((each) => [each.label, (each.image_to_text + each.text_to_image) / 2]));
  const before = byLabel(left);
  const perLabel = [...byLabel(right)]
    .map(([label, after]) => ({ label, before: before.get(label), after }))
    .sort((a, b) => a.after - (a.before ?? NaN) - (b.after - (b.before ?? NaN)))
    .map((each) => [each.label, ...difference(each.before, each.after)]);
  /** @param {string} first */
  const headers = (first) => [first, left.version, right.version, t('admin.difference')];
  return [
    table(t('admin.compared-caption'), headers(t('admin.metric')), rows),
    details(t('admin.per-class'), table(t('admin.per-class'), headers(t('admin.label')), perLabel)),
  ];
}

/**
 * Three cells: two values and their difference.
 *
 * @param {number | undefined} before
 * @param {number | undefined} after
 * @param {boolean} [lessIsBetter]
 */
function difference(before, after, lessIsBetter = false) {
  const exact = (after ?? NaN) - (before ?? NaN);
  if (!Number.isFinite(exact)) return [share(before), share(after), '–'];
  const value = Math.abs(exact) < MIN_DIFFERENCE ? 0 : exact;
  if (value === 0) return [share(before), share(after), make('span', { text: formatNumber(0, 3) })];
  const isBetter = lessIsBetter ? value < 0 : value > 0;
  const text = `${isBetter ? '▲' : '▼'} ${value > 0 ? '+' : ''}${formatNumber(value, 3)}`;
  const title = t(isBetter ? 'admin.better' : 'admin.worse');
  return [share(before), share(after), make('span', { class: isBetter ? 'better' : 'worse', text, title })];
}
