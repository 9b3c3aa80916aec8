// Long work: what to begin, what is at work and how far, what came of what has ended.

import { make } from '../shared/dom.js';
import { requestJson } from '../shared/http.js';
import { action, announce, careful, duration, failure, more } from './components.js';
import { moment, number, says, t } from '../shared/i18n.js';

const WORK = ['reindex', 'evaluate', 'selftest', 'backup', 'compact'];
const PAGE = 20;
/** Milliseconds between looks: while something is at work, and while nothing is. */
const SOON = 1000;
const LATER = 10_000;

const atWork = ({ status }) => status === 'running' || status === 'enqueued';

/** What is watched now; another load of the section ends it. */
let watching = null;
/** Tasks whose end is news; one may be over before it is first seen here. */
const expected = new Set();

export async function tasksSection(place) {
  watching?.end();
  const fault = make('div');
  const trouble = make('div');
  const buttons = make(
    'div',
    { class: 'works' },
    ...WORK.map((name) =>
      make(
        'div',
        {},
        action(
          `admin.do-${name}`,
          async () => begun(await requestJson(`/v1/admin/${name}`, { method: 'POST' })),
          fault,
        ),
        make('p', { class: 'soft', text: t(`admin.do-${name}-hint`) }),
      ),
    ),
  );
  const list = make('ol', { class: 'task-list', 'data-testid': 'task-list' });
  const older = make('div', { class: 'row' });
  const rows = new Map();
  let timer = null;
  let before = null;
  let ended = false;

  const first = await requestJson(`/v1/tasks?limit=${PAGE}`);
  take(first.tasks, true);
  before = first.next_before;
  older.append(
    action(
      'admin.older',
      async () => {
        const page = await requestJson(`/v1/tasks?limit=${PAGE}&before=${before}`);
        take(page.tasks, false);
        before = page.next_before;
        older.hidden = before === null;
      },
      fault,
    ),
  );
  older.hidden = before === null;
  place.replaceChildren(buttons, fault, trouble, list, older);
  again();

  function take(tasks, fresh) {
    if (fresh) list.querySelector('.empty')?.remove();
    for (const task of fresh ? tasks.toReversed() : tasks) {
      const known = rows.get(task.id);
      if (known) known.show(task);
      else {
        const row = taskRow(task, fault, look);
        rows.set(task.id, row);
        if (fresh) list.prepend(row.node);
        else list.append(row.node);
      }
      if (atWork(task)) expected.add(task.id);
      else if (expected.delete(task.id)) document.dispatchEvent(new CustomEvent('task-ended', { detail: task }));
    }
    if (rows.size === 0) list.append(make('li', { class: 'empty', 'data-testid': 'empty', text: t('admin.no-tasks') }));
  }

  async function look(quiet = true) {
    clearTimeout(timer);
    try {
      if (!document.hidden) take((await requestJson(`/v1/tasks?limit=${PAGE}`, { quiet })).tasks, true);
      trouble.replaceChildren();
    } catch (error) {
      // Said once, not at each look.
      if (!trouble.firstChild) trouble.replaceChildren(failure(error, () => look(false)));
      // Without a key there is nothing more to see until there is one.
      if (error.status === 401 || error.status === 403) return;
    }
    again();
  }

  function again() {
    clearTimeout(timer);
    if (!ended) timer = setTimeout(() => look(), [...rows.values()].some((row) => atWork(row.task)) ? SOON : LATER);
  }

  function begun(task) {
    announce(t('admin.task-begun', { n: task.id }));
    take([task], true);
    again();
  }

  watching = {
    begun,
    ended: (task) => rows.get(task.id)?.show(task),
    look,
    end: () => {
      ended = true;
      clearTimeout(timer);
    },
  };
}

document.addEventListener('task-begun', ({ detail }) => {
  expected.add(detail.id);
  watching?.begun(detail);
});
document.addEventListener('task-ended', ({ detail }) => watching?.ended(detail));
document.addEventListener('key-changed', () => watching?.look());

/** A task in the list; `show` brings it up to date without taking the focus from it. */
function taskRow(task, fault, look) {
  const bar = make('progress', { max: 100, 'aria-label': t('admin.progress-of', { n: task.id }) });
  const status = make('span', { class: 'badge', 'data-testid': 'task-status' });
  const steps = make('p', { class: 'soft' });
  const cancel = careful(
    'admin.cancel-task',
    'admin.cancel-sure',
    async () => {
      await requestJson(`/v1/tasks/${task.id}/cancel`, { method: 'POST' });
      setTimeout(() => look(), 300);
    },
    fault,
  );
  const rest = make('div');
  const node = make(
    'li',
    { 'data-testid': 'task', 'data-task': String(task.id) },
    make(
      'div',
      { class: 'row' },
      make('strong', { text: says(`admin.type-${task.type}`) ? t(`admin.type-${task.type}`) : task.type }),
      make('span', { class: 'soft', text: `#${task.id}` }),
      status,
      make('span', { class: 'soft', text: moment(task.created_at) }),
      cancel,
    ),
    bar,
    steps,
    rest,
  );
  const row = { node, task, show };

  function show(now) {
    row.task = now;
    const { progress, started_at: began, finished_at: over } = now;
    node.dataset.status = now.status;
    status.textContent = t(`admin.status-${now.status}`);
    cancel.hidden = bar.hidden = !atWork(now);
    bar.value = Math.max(progress.percent, 0);
    const said = progress.steps
      .filter((one) => !over && one.total > 0)
      .map((one) => `${one.name} ${number(one.done)}/${number(one.total)}`);
    if (progress.eta_seconds) said.push(t('admin.left', { time: duration(progress.eta_seconds) }));
    if (began && over) said.push(t('admin.took-time', { time: duration((new Date(over) - new Date(began)) / 1000) }));
    steps.textContent = said.join(' · ');
    if (over && !rest.firstChild) {
      if (now.error) rest.append(make('p', { class: 'outcome', text: now.error.detail }));
      if (now.result)
        rest.append(more(t('admin.result'), make('pre', { tabindex: '0', text: JSON.stringify(now.result, null, 2) })));
    }
  }

  show(task);
  return row;
}
