// How to train, and how a training goes while it goes.

import { byId, make } from '../shared/dom.js';
import { requestJson } from '../shared/http.js';
import { chart } from './chart.js';
import { announce, careful, duration, empty, failure, field, more, table } from './components.js';
import { follow } from './task-events.js';
import { number, t } from '../shared/i18n.js';

/** Settings by their names in a settings file; what is left empty is as in the default. */
const SETTINGS = [
  ['class.course.max_epochs', 'admin.set-class-epochs', { min: 1, step: 1 }],
  ['pair.course.max_epochs', 'admin.set-pair-epochs', { min: 1, step: 1 }],
  ['seed', 'admin.set-seed', { min: 0, step: 1 }],
];
const FINER = [
  ['class.course.learning_rate', 'admin.set-class-rate', { min: 0, step: 'any' }],
  ['pair.course.learning_rate', 'admin.set-pair-rate', { min: 0, step: 'any' }],
  ['class.course.batch', 'admin.set-class-batch', { min: 1, step: 1 }],
  ['pair.course.batch', 'admin.set-pair-batch', { min: 1, step: 1 }],
  ['class.course.hidden', 'admin.set-class-hidden', { min: 1, step: 1 }],
  ['pair.course.hidden', 'admin.set-pair-hidden', { min: 1, step: 1 }],
  ['class.lambda', 'admin.set-lambda', { min: 0, step: 'any' }],
  ['class.eta', 'admin.set-eta', { min: 0, step: 'any' }],
];

let following = null;

export async function trainSection(place) {
  const { tasks } = await requestJson('/v1/tasks?type=train&limit=1');
  const live = make('div', { id: 'training', 'data-testid': 'training' });
  place.replaceChildren(form(live), live);
  if (tasks.length) watch(tasks[0], live);
  else live.replaceChildren(empty(t('admin.no-training')));
}

function form(live) {
  const numeric = ([path, name, bounds]) =>
    field(
      `set-${path.replaceAll('.', '-')}`,
      t(name),
      make('input', {
        type: 'number',
        inputmode: 'decimal',
        placeholder: t('admin.default'),
        'data-path': path,
        ...bounds,
      }),
    );
  const objective = make(
    'select',
    { 'data-path': 'objective' },
    ...['class-and-pair', 'dscmr'].map((value) => make('option', { value, text: t(`admin.objective-${value}`) })),
  );
  const fault = make('div', { id: 'train-fault' });
  const node = make(
    'form',
    { id: 'train-form', class: 'panel-form', 'data-testid': 'train-form' },
    make(
      'div',
      { class: 'fields' },
      field('set-objective', t('admin.objective'), objective),
      ...SETTINGS.map(numeric),
      field(
        'set-margin',
        t('admin.margin'),
        make('input', { type: 'number', min: 0, max: 1, step: 'any', placeholder: t('admin.default') }),
        t('admin.margin-hint'),
      ),
    ),
    more(t('admin.finer'), make('div', { class: 'fields' }, ...FINER.map(numeric))),
    field('set-force', t('admin.force'), make('input', { type: 'checkbox' }), t('admin.force-hint')),
    make('p', {}, make('button', { class: 'solid', 'data-testid': 'train-start', text: t('admin.train-start') })),
    fault,
  );
  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    fault.replaceChildren();
    try {
      const task = await requestJson('/v1/admin/train', { method: 'POST', json: asked(node) });
      announce(t('admin.task-begun', { n: task.id }));
      document.dispatchEvent(new CustomEvent('task-begun', { detail: task }));
      watch(task, live);
    } catch (error) {
      fault.replaceChildren(failure(error));
    }
  });
  return node;
}

/** The body of the request: only what was filled in. */
function asked(node) {
  const settings = {};
  for (const input of node.querySelectorAll('[data-path]')) {
    if (input.value === '') continue;
    const path = input.dataset.path.split('.');
    const last = path.pop();
    const table = path.reduce((under, name) => (under[name] ??= {}), settings);
    table[last] = input.type === 'number' ? input.valueAsNumber : input.value;
  }
  const margin = byId('set-margin').valueAsNumber;
  return { settings, force: byId('set-force').checked, ...(Number.isNaN(margin) ? {} : { margin }) };
}

/** Shows a training, from its first epoch on, while it goes. */
function watch(task, live) {
  following?.abort();
  following = new AbortController();
  const { signal } = following;
  const charts = {};
  const epochs = [];
  const fault = make('div');
  const bar = make('progress', { max: 100, value: 0, 'aria-label': t('admin.progress') });
  const said = make('span', { 'data-testid': 'training-status' });
  const lost = make('p', { class: 'soft', hidden: true, text: t('admin.stream-lost') });
  const parts = make('div', { class: 'charts', 'data-testid': 'charts' });
  const numbers = more(t('admin.as-table'), make('div'));
  const cancel = careful(
    'admin.cancel-task',
    'admin.cancel-sure',
    () => requestJson(`/v1/tasks/${task.id}/cancel`, { method: 'POST' }),
    fault,
    { 'data-testid': 'training-cancel' },
  );
  const came = make('div');
  live.replaceChildren(
    make('h3', {}, t('admin.training-of', { n: task.id }), ' ', said),
    bar,
    make('div', { class: 'row' }, cancel),
    came,
    lost,
    fault,
    parts,
    numbers,
  );
  const isNews = task.finished_at === null;
  live.dataset.epochs = '0';
  numbers.addEventListener('toggle', list);
  tell(task);

  function tell({ status, progress }) {
    live.dataset.status = status;
    const eta = progress.eta_seconds ? ` · ${t('admin.left', { time: duration(progress.eta_seconds) })}` : '';
    const step = status === 'running' ? progress.steps.findLast((one) => one.done < one.total)?.name : null;
    said.textContent = [t(`admin.status-${status}`), step].filter(Boolean).join(' · ') + eta;
    bar.value = Math.max(progress.percent, 0);
    bar.hidden = cancel.hidden = status !== 'running' && status !== 'enqueued';
  }

  /** A part's charts come with its first epoch: the pair part has no J1 to J3. */
  function measured({ part, epoch, loss, validation_map: map, ...others }) {
    charts[part] ??= Object.fromEntries(
      [
        ...['total', 'j1', 'j2', 'j3']
          .filter((name) => Number.isFinite(loss[name]))
          .map((name) => [
            name,
            chart(
              t('admin.chart', { what: name === 'total' ? 'J' : name.toUpperCase(), part: t(`admin.part-${part}`) }),
              [''],
            ),
          ]),
        [
          'map',
          chart(t('admin.chart', { what: t('admin.validation-map'), part: t(`admin.part-${part}`) }), [
            t('admin.image-to-text'),
            t('admin.text-to-image'),
          ]),
        ],
      ].map(([name, made]) => {
        parts.append(made.node);
        made.node.dataset.chart = `${part}-${name}`;
        return [name, made];
      }),
    );
    for (const [name, made] of Object.entries(charts[part])) {
      made.add(epoch, name === 'map' ? [map?.image_to_text, map?.text_to_image] : [loss[name]]);
    }
    epochs.push([
      `${t(`admin.part-${part}`)} ${number(epoch)}`,
      ...['total', 'j1', 'j2', 'j3'].map((name) => figure(loss[name])),
      figure(map?.image_to_text),
      figure(map?.text_to_image),
      figure(others.validation_mean_recall, 1),
    ]);
    live.dataset.epochs = String(epochs.length);
    if (numbers.open) list();
  }

  function list() {
    if (!numbers.open || !epochs.length) return;
    numbers.lastChild.replaceWith(
      table(
        t('admin.as-table'),
        [
          t('admin.epoch'),
          'J',
          'J1',
          'J2',
          'J3',
          `mAP ${t('admin.image-to-text')}`,
          `mAP ${t('admin.text-to-image')}`,
          'mR',
        ],
        epochs,
      ),
    );
  }

  const hear = {
    metric: measured,
    progress: tell,
    status: (whole) => {
      tell(whole);
      outcome(whole, came);
      if (isNews) document.dispatchEvent(new CustomEvent('task-ended', { detail: whole }));
    },
  };
  follow(task.id, (kind, data) => hear[kind]?.(data), {
    signal,
    lost: (is) => {
      lost.hidden = !is;
    },
  }).catch((error) => fault.replaceChildren(failure(error, () => watch(task, live))));
}

const figure = (value, digits = 3) => (Number.isFinite(value) ? number(value, digits) : '–');

/** What came of it. */
function outcome({ result, error }, place) {
  if (error) place.append(make('p', { class: 'outcome', text: error.detail }));
  if (!result?.verdict) return;
  const { promoted, objections } = result.verdict;
  place.append(
    make(
      'div',
      { class: 'outcome', 'data-testid': 'verdict' },
      make('p', { text: t(promoted ? 'admin.promoted' : 'admin.not-promoted', { model: result.model }) }),
      objections.length ? make('ul', {}, ...objections.map((text) => make('li', { text }))) : null,
    ),
  );
}
