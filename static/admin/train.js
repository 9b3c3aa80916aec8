// @ts-check
// Section "Training": the settings of a training, and its curves while it runs.

/** @import { EpochMetrics, PromotionDecision, Task, TaskList } from 'api' */
/** @import { Chart } from './chart.js' */

import { byId, make } from '../shared/dom.js';
import { requestJson } from '../shared/http.js';
import { formatNumber, t } from '../shared/i18n.js';
import { chart } from './chart.js';
import { announce, confirmAction, details, duration, emptyText, errorBox, field, table } from './components.js';
import { followTask } from './task-events.js';

/**
 * Settings by their names in a settings file. Those that are left empty keep their default.
 *
 * @typedef {[path: string, key: string, bounds: { min: number, step: number | 'any' }]} Setting
 * @type {Setting[]}
 */
const SETTINGS = [
  ['class.optimizer.max_epochs', 'admin.set-class-epochs', { min: 1, step: 1 }],
  ['pair.optimizer.max_epochs', 'admin.set-pair-epochs', { min: 1, step: 1 }],
  ['seed', 'admin.set-seed', { min: 0, step: 1 }],
];
/** @type {Setting[]} */
const ADVANCED_SETTINGS = [
  ['class.optimizer.learning_rate', 'admin.set-class-rate', { min: 0, step: 'any' }],
  ['pair.optimizer.learning_rate', 'admin.set-pair-rate', { min: 0, step: 'any' }],
  ['class.optimizer.batch', 'admin.set-class-batch', { min: 1, step: 1 }],
  ['pair.optimizer.batch', 'admin.set-pair-batch', { min: 1, step: 1 }],
  ['class.optimizer.hidden', 'admin.set-class-hidden', { min: 1, step: 1 }],
  ['pair.optimizer.hidden', 'admin.set-pair-hidden', { min: 1, step: 1 }],
  ['class.lambda', 'admin.set-lambda', { min: 0, step: 'any' }],
  ['class.eta', 'admin.set-eta', { min: 0, step: 'any' }],
];

/** Terms of the loss. Only the class part has J1 to J3. */
const LOSS_TERMS = ['total', 'j1', 'j2', 'j3'];

/** @param {string} term */
const symbol = (term) => (term === 'total' ? 'J' : term.toUpperCase());

/** @type {AbortController | null} */
let following = null;

/** @param {HTMLElement} place */
export async function trainSection(place) {
  /** @type {TaskList} */
  const { tasks } = await requestJson('/v1/tasks?type=train&limit=1');
  const live = make('div', { id: 'training', 'data-testid': 'training' });
  place.replaceChildren(settingsForm(live), live);
  if (tasks.length) watch(tasks[0], live);
  else live.replaceChildren(emptyText(t('admin.no-training')));
}

/** @param {HTMLElement} live Place for the training that the form starts. */
function settingsForm(live) {
  /** @param {Setting} setting */
  const numberField = ([path, key, bounds]) =>
    field(
      `set-${path.replaceAll('.', '-')}`,
      t(key),
      make('input', {
        type: 'number',
        inputmode: 'decimal',
        placeholder: t('admin.default'),
        'data-path': path,
        ...bounds,
      }),
    );
  const objectives = ['class-and-pair', 'dscmr'].map((value) =>
    make('option', { value, text: t(`admin.objective-${value}`) }),
  );
  const margin = make('input', { type: 'number', min: 0, max: 1, step: 'any', placeholder: t('admin.default') });
  const errors = make('div', { id: 'train-fault' });
  const node = make(
    'form',
    { id: 'train-form', class: 'panel-form', 'data-testid': 'train-form' },
    make(
      'div',
      { class: 'fields' },
      field('set-objective', t('admin.objective'), make('select', { 'data-path': 'objective' }, ...objectives)),
      ...SETTINGS.map(numberField),
      field('set-margin', t('admin.margin'), margin, t('admin.margin-hint')),
    ),
    details(t('admin.finer'), make('div', { class: 'fields' }, ...ADVANCED_SETTINGS.map(numberField))),
    field('set-force', t('admin.force'), make('input', { type: 'checkbox' }), t('admin.force-hint')),
    make('p', {}, make('button', { class: 'solid', 'data-testid': 'train-start', text: t('admin.train-start') })),
    errors,
  );
  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    errors.replaceChildren();
    try {
      /** @type {Task} */
      const task = await requestJson('/v1/admin/train', { method: 'POST', json: requestOf(node) });
      announce(t('admin.task-begun', { n: task.id }));
      document.dispatchEvent(new CustomEvent('task-started', { detail: task }));
      watch(task, live);
    } catch (error) {
      errors.replaceChildren(errorBox(error));
    }
  });
  return node;
}

/** @typedef {{ [name: string]: string | number | Settings }} Settings */

/**
 * The body of the request: the settings that were filled in.
 *
 * @param {HTMLFormElement} form
 */
function requestOf(form) {
  /** @type {Settings} */
  const settings = {};
  for (const input of form.querySelectorAll('[data-path]')) {
    if (!(input instanceof HTMLInputElement || input instanceof HTMLSelectElement) || input.value === '') continue;
    const path = (input.dataset.path ?? '').split('.');
    const name = path.pop() ?? '';
    const group = path.reduce((under, each) => {
      under[each] ??= {};
      return /** @type {Settings} */ (under[each]);
    }, settings);
    group[name] = input instanceof HTMLInputElement ? input.valueAsNumber : input.value;
  }
  const margin = byId('set-margin', HTMLInputElement).valueAsNumber;
  const force = byId('set-force', HTMLInputElement).checked;
  return { settings, force, ...(Number.isNaN(margin) ? {} : { margin }) };
}

/**
 * Shows a training with the curves of all its epochs, and follows it while it runs.
 *
 * @param {Task} task
 * @param {HTMLElement} live
 */
function watch(task, live) {
  following?.abort();
  following = new AbortController();
  const { signal } = following;
  const errors = make('div');
  const bar = make('progress', { max: 100, value: 0, 'aria-label': t('admin.progress') });
  const status = make('span', { 'data-testid': 'training-status' });
  const connectionLost = make('p', { class: 'soft', hidden: true, text: t('admin.stream-lost') });
  const curves = learningCurves();
  const cancel = confirmAction(
    'admin.cancel-task',
    'admin.cancel-sure',
    () => requestJson(`/v1/tasks/${task.id}/cancel`, { method: 'POST' }),
    errors,
    { 'data-testid': 'training-cancel' },
  );
  const outcome = make('div');
  live.replaceChildren(
    make('h3', {}, t('admin.training-of', { n: task.id }), ' ', status),
    bar,
    make('div', { class: 'row' }, cancel),
    outcome,
    connectionLost,
    errors,
    curves.charts,
    curves.table,
  );
  live.dataset.epochs = '0';
  showProgress(task);

  /** @param {Task} updated */
  function showProgress({ status: name, progress }) {
    live.dataset.status = name;
    const step = name === 'running' ? progress.steps.findLast(({ done, total }) => done < total)?.name : null;
    const left = progress.eta_seconds ? t('admin.left', { time: duration(progress.eta_seconds) }) : null;
    status.textContent = [t(`admin.status-${name}`), step, left].filter(Boolean).join(' · ');
    bar.value = Math.max(progress.percent, 0);
    bar.hidden = cancel.hidden = name !== 'running' && name !== 'enqueued';
  }

  /**
   * @param {string} kind
   * @param {any} data
   */
  function onEvent(kind, data) {
    if (kind === 'metric') live.dataset.epochs = String(curves.add(data));
    else if (kind === 'progress') showProgress(data);
    else if (kind === 'status') {
      showProgress(data);
      showOutcome(data, outcome);
      // The end of a training that had ended before is not news.
      if (!task.finished_at) document.dispatchEvent(new CustomEvent('task-ended', { detail: data }));
    }
  }

  const onConnection = (/** @type {boolean} */ isLost) => {
    connectionLost.hidden = !isLost;
  };
  followTask(task.id, onEvent, { signal, onConnection }).catch((error) => {
    errors.replaceChildren(errorBox(error, () => watch(task, live)));
  });
}

/** The curves of a training, as charts and as a table; `add` adds an epoch and returns the number of epochs. */
function learningCurves() {
  /** @type {Partial<Record<EpochMetrics['part'], Record<string, Chart>>>} */
  const byPart = {};
  /** @type {string[][]} */
  const rows = [];
  const charts = make('div', { class: 'charts', 'data-testid': 'charts' });
  const place = make('div');
  const tableBox = details(t('admin.as-table'), place);
  tableBox.addEventListener('toggle', drawTable);

  function drawTable() {
    if (!tableBox.open || !rows.length) return;
    const maps = [`mAP ${t('admin.image-to-text')}`, `mAP ${t('admin.text-to-image')}`];
    place.replaceChildren(
      table(t('admin.as-table'), [t('admin.epoch'), ...LOSS_TERMS.map(symbol), ...maps, 'mR'], rows),
    );
  }

  /** @param {EpochMetrics} metrics The first of a part, which tells its terms. */
  function chartsOf({ part, loss }) {
    /** @type {Record<string, Chart>} */
    const made = {};
    for (const name of LOSS_TERMS.filter((term) => Number.isFinite(loss[term]))) {
      made[name] = chart(t('admin.chart', { what: symbol(name), part: t(`admin.part-${part}`) }), ['']);
    }
    made.map = chart(t('admin.chart', { what: t('admin.validation-map'), part: t(`admin.part-${part}`) }), [
      t('admin.image-to-text'),
      t('admin.text-to-image'),
    ]);
    for (const [name, { node }] of Object.entries(made)) {
      node.dataset.chart = `${part}-${name}`;
      charts.append(node);
    }
    return made;
  }

  /** @param {EpochMetrics} metrics */
  function add(metrics) {
    const { part, epoch, loss, validation_map: map, validation_mean_recall: recall } = metrics;
    byPart[part] ??= chartsOf(metrics);
    for (const term of LOSS_TERMS) byPart[part][term]?.add(epoch, [loss[term]]);
    byPart[part].map.add(epoch, [map?.image_to_text, map?.text_to_image]);
    rows.push([
      `${t(`admin.part-${part}`)} ${formatNumber(epoch)}`,
      ...LOSS_TERMS.map((term) => figure(loss[term])),
      figure(map?.image_to_text),
      figure(map?.text_to_image),
      figure(recall, 1),
    ]);
    drawTable();
    return rows.length;
  }

  return { charts, table: tableBox, add };
}

/**
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
const figure = (value, digits = 3) =>
  typeof value === 'number' && Number.isFinite(value) ? formatNumber(value, digits) : '–';

/**
 * Shows why a training failed, or whether its model was promoted.
 *
 * @param {Task} task
 * @param {HTMLElement} place
 */
function showOutcome({ result, error }, place) {
  if (error) place.append(make('p', { class: 'outcome', text: error.detail }));
  const { verdict, model } = /** @type {{ verdict?: PromotionDecision, model?: string }} */ (result ?? {});
  if (!verdict) return;
  const { promoted, objections } = verdict;
  place.append(
    make(
      'div',
      { class: 'outcome', 'data-testid': 'verdict' },
      make('p', { text: t(promoted ? 'admin.promoted' : 'admin.not-promoted', { model }) }),
      objections.length ? make('ul', {}, ...objections.map((text) => make('li', { text }))) : null,
    ),
  );
}
