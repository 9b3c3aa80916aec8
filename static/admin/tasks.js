// @ts-check
// Section "Tasks": tasks that can be started, those that are running with their progress, and the results of earlier
// ones.

/** @import { Task, TaskList } from 'api' */

import { make } from '../shared/dom.js';
import { RequestError, requestJson } from '../shared/http.js';
import { formatNumber, formatTime, hasMessage, t } from '../shared/i18n.js';
import { action, announce, confirmAction, details, duration, errorBox } from './components.js';

/** Kinds of tasks that the section starts. */
const KINDS = ['reindex', 'evaluate', 'selftest', 'backup', 'compact'];
const PAGE_SIZE = 20;
/** Delay between updates while a task is running. */
const RUNNING_POLL_MS = 1000;
/** Delay between updates otherwise. */
const IDLE_POLL_MS = 10_000;
/** Delay before a task that was cancelled is looked at. */
const CANCEL_POLL_MS = 300;

/** @param {Task} task */
const isActive = ({ status }) => status === 'running' || status === 'enqueued';

/**
 * The list that the page shows. Loading the section again replaces it.
 *
 * @type {{ start: (task: Task) => void, end: (task: Task) => void, update: () => void, stop: () => void } | null}
 */
let watched = null;
/**
 * Tasks whose end is to be reported. One may have ended before the list shows it first.
 *
 * @type {Set<number>}
 */
const expected = new Set();

/** @param {HTMLElement} place */
export async function tasksSection(place) {
  watched?.stop();
  const errors = make('div');
  const pollErrors = make('div');
  const list = make('ol', { class: 'task-list', 'data-testid': 'task-list' });
  /** @type {Map<number, TaskRow>} */
  const rows = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let isStopped = false;

  /** @type {TaskList} */
  const first = await requestJson(`/v1/tasks?limit=${PAGE_SIZE}`);
  add(first.tasks, true);
  let before = first.next_before ?? null;
  const older = make('div', { class: 'row' });
  older.hidden = before === null;
  older.append(action('admin.older', loadOlder, errors));
  const buttons = KINDS.map((kind) =>
    make(
      'div',
      {},
      action(`admin.do-${kind}`, async () => start(await startTask(kind)), errors),
      make('p', { class: 'soft', text: t(`admin.do-${kind}-hint`) }),
    ),
  );
  place.replaceChildren(make('div', { class: 'works' }, ...buttons), errors, pollErrors, list, older);
  schedule();

  async function loadOlder() {
    /** @type {TaskList} */
    const page = await requestJson(`/v1/tasks?limit=${PAGE_SIZE}&before=${before}`);
    add(page.tasks, false);
    before = page.next_before ?? null;
    older.hidden = before === null;
  }

  /**
   * @param {Task[]} tasks Newest first.
   * @param {boolean} isNew Whether they go above those that are listed.
   */
  function add(tasks, isNew) {
    if (isNew) list.querySelector('.empty')?.remove();
    for (const task of isNew ? tasks.toReversed() : tasks) {
      const known = rows.get(task.id);
      if (known) known.show(task);
      else {
        const row = taskRow(task, errors, () => update());
        rows.set(task.id, row);
        if (isNew) list.prepend(row.node);
        else list.append(row.node);
      }
      if (isActive(task)) expected.add(task.id);
      else if (expected.delete(task.id)) document.dispatchEvent(new CustomEvent('task-ended', { detail: task }));
    }
    if (rows.size === 0) {
      list.append(make('li', { class: 'empty', 'data-testid': 'empty', text: t('admin.no-tasks') }));
    }
  }

  async function update(quiet = true) {
    clearTimeout(timer);
    try {
      if (!document.hidden) add((await requestJson(`/v1/tasks?limit=${PAGE_SIZE}`, { quiet })).tasks, true);
      pollErrors.replaceChildren();
    } catch (error) {
      // An error is shown once, not with each update.
      if (!pollErrors.firstChild) pollErrors.replaceChildren(errorBox(error, () => update(false)));
      // Updates go on when there is a key.
      if (error instanceof RequestError && (error.status === 401 || error.status === 403)) return;
    }
    schedule();
  }

  function schedule() {
    clearTimeout(timer);
    if (isStopped) return;
    const isRunning = [...rows.values()].some(({ task }) => isActive(task));
    timer = setTimeout(update, isRunning ? RUNNING_POLL_MS : IDLE_POLL_MS);
  }

  /** @param {Task} task */
  function start(task) {
    announce(t('admin.task-begun', { n: task.id }));
    add([task], true);
    schedule();
  }

  watched = {
    start,
    end: (task) => rows.get(task.id)?.show(task),
    update,
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

/**
 * @param {string} kind
 * @returns {Promise<Task>}
 */
const startTask = (kind) => requestJson(`/v1/admin/${kind}`, { method: 'POST' });

document.addEventListener('task-started', ({ detail }) => {
  expected.add(detail.id);
  watched?.start(detail);
});
document.addEventListener('task-ended', ({ detail }) => watched?.end(detail));
document.addEventListener('key-changed', () => watched?.update());

/** @typedef {{ node: HTMLElement, task: Task, show: (task: Task) => void }} TaskRow */

/**
 * A task in the list. `show` updates it without moving the focus.
 *
 * @param {Task} task
 * @param {HTMLElement} errors
 * @param {() => void} update
 * @returns {TaskRow}
 */
function taskRow(task, errors, update) {
  const bar = make('progress', { max: 100, 'aria-label': t('admin.progress-of', { n: task.id }) });
  const status = make('span', { class: 'badge', 'data-testid': 'task-status' });
  const steps = make('p', { class: 'soft' });
  const outcome = make('div');
  const cancel = confirmAction(
    'admin.cancel-task',
    'admin.cancel-sure',
    async () => {
      await requestJson(`/v1/tasks/${task.id}/cancel`, { method: 'POST' });
      setTimeout(update, CANCEL_POLL_MS);
    },
    errors,
  );
  const key = `admin.type-${task.type}`;
  const node = make(
    'li',
    { 'data-testid': 'task', 'data-task': String(task.id) },
    make(
      'div',
      { class: 'row' },
      make('strong', { text: hasMessage(key) ? t(key) : task.type }),
      make('span', { class: 'soft', text: `#${task.id}` }),
      status,
      make('span', { class: 'soft', text: formatTime(task.created_at) }),
      cancel,
    ),
    bar,
    steps,
    outcome,
  );

  /** @param {Task} updated */
  function show(updated) {
    row.task = updated;
    node.dataset.status = updated.status;
    status.textContent = t(`admin.status-${updated.status}`);
    cancel.hidden = bar.hidden = !isActive(updated);
    bar.value = Math.max(updated.progress.percent, 0);
    steps.textContent = progressText(updated);
    if (!updated.finished_at || outcome.firstChild) return;
    if (updated.error) outcome.append(make('p', { class: 'outcome', text: updated.error.detail }));
    if (updated.result) {
      const json = make('pre', { tabindex: '0', text: JSON.stringify(updated.result, null, 2) });
      outcome.append(details(t('admin.result'), json));
    }
  }

  const row = { node, task, show };
  show(task);
  return row;
}

/** @param {Task} task */
function progressText({ progress, started_at: startedAt, finished_at: finishedAt }) {
  const parts = [];
  if (!finishedAt) {
    for (const { name, done, total } of progress.steps) {
      if (total > 0) parts.push(`${name} ${formatNumber(done)}/${formatNumber(total)}`);
    }
  }
  if (progress.eta_seconds) parts.push(t('admin.left', { time: duration(progress.eta_seconds) }));
  if (startedAt && finishedAt) {
    const seconds = (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000;
    parts.push(t('admin.took-time', { time: duration(seconds) }));
  }
  return parts.join(' · ');
}
