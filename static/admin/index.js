// @ts-check
// The admin page. Its sections load when they come into view, each by itself, so that one that fails does not affect
// the others.

/** @import { Info } from 'api' */

import { forgetKey, hasKey } from '../shared/api-key.js';
import { byId } from '../shared/dom.js';
import { requestJson } from '../shared/http.js';
import { t, translatePage } from '../shared/i18n.js';
import { announce, errorBox, loadingText } from './components.js';
import { dataSection } from './data.js';
import { keysSection } from './keys.js';
import { mapSection } from './map.js';
import { modelsSection } from './models.js';
import { reviewSection } from './review.js';
import { tasksSection } from './tasks.js';
import { trainSection } from './train.js';

/**
 * Sections by the id of their element. Each fills the element that it is given.
 *
 * @type {Record<string, (place: HTMLElement) => Promise<void>>}
 */
const SECTIONS = {
  data: dataSection,
  review: reviewSection,
  map: mapSection,
  models: modelsSection,
  train: trainSection,
  tasks: tasksSection,
  keys: keysSection,
};

/**
 * Sections that are loaded again after a task of some kind has succeeded.
 *
 * @type {Record<string, string[]>}
 */
const CHANGED_BY = {
  train: ['models', 'map'],
  activate: ['models', 'map'],
  evaluate: ['models', 'review'],
  reindex: ['map'],
  import: ['data', 'review', 'map'],
  batch: ['data', 'review', 'map'],
  compact: ['data'],
};

/**
 * Sections that have been loaded.
 *
 * @type {Set<string>}
 */
const loaded = new Set();
/**
 * Tasks whose end was reported.
 *
 * @type {Set<number>}
 */
const reported = new Set();
/**
 * The section that the URL names, until the reader scrolls elsewhere.
 *
 * @type {string | null}
 */
let target = null;

/** @param {string} name */
async function load(name) {
  loaded.add(name);
  const section = byId(name);
  const content = section.querySelector('.content');
  if (!(content instanceof HTMLElement)) return;
  if (!content.firstChild) content.replaceChildren(loadingText());
  section.setAttribute('aria-busy', 'true');
  try {
    await SECTIONS[name](content);
    section.dataset.state = 'ready';
  } catch (error) {
    section.dataset.state = 'error';
    content.replaceChildren(errorBox(error, () => load(name)));
  }
  section.removeAttribute('aria-busy');
  // Sections above the target push it down as they load.
  if (target) byId(target).scrollIntoView({ behavior: 'instant' });
}

function setTarget() {
  const name = location.hash.slice(1);
  target = name in SECTIONS ? name : null;
}

async function drawState() {
  /** @type {Info | null} */
  const info = await requestJson('/v1/info').catch(() => null);
  if (!info) {
    byId('state').textContent = t('shared.unreachable');
    return;
  }
  byId('state').textContent = [
    t('shared.n-pictures', { n: info.collection.pictures }),
    t('shared.n-captions', { n: info.collection.captions }),
    info.model ? t('admin.state-model', { model: info.model.version }) : t('admin.state-untrained'),
  ].join(' · ');
}

function drawForgetButton() {
  byId('forget').hidden = !hasKey();
}

translatePage();
document.title = `diptych – ${t('admin.owner')}`;
drawForgetButton();
document.addEventListener('key-changed', drawForgetButton);
byId('forget').addEventListener('click', () => {
  forgetKey();
  announce(t('admin.forgotten'));
});
document.addEventListener('task-started', () => {
  if (!loaded.has('tasks')) load('tasks');
});
document.addEventListener('task-ended', ({ detail: { id, type, status } }) => {
  // More than one section may follow a task.
  if (reported.has(id)) return;
  reported.add(id);
  announce(t('admin.task-over', { type: t(`admin.type-${type}`), status: t(`admin.status-${status}`) }));
  if (status !== 'succeeded') return;
  drawState();
  for (const name of CHANGED_BY[type] ?? []) if (loaded.has(name)) load(name);
});

setTarget();
addEventListener('hashchange', setTarget);
for (const kind of ['wheel', 'touchmove', 'pointerdown', 'keydown']) {
  addEventListener(
    kind,
    () => {
      target = null;
    },
    { passive: true },
  );
}

const nearby = new IntersectionObserver(
  (entries) => {
    for (const { target: section, isIntersecting } of entries) {
      if (!isIntersecting || loaded.has(section.id)) continue;
      nearby.unobserve(section);
      load(section.id);
    }
  },
  { rootMargin: '100px' },
);
// The section that the reader has in view is the last one that reached the upper third of the window.
const inView = new IntersectionObserver(
  (entries) => {
    for (const { target: section, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      for (const link of document.querySelectorAll('#contents a')) {
        if (link.getAttribute('href') === `#${section.id}`) link.setAttribute('aria-current', 'true');
        else link.removeAttribute('aria-current');
      }
    }
  },
  { rootMargin: '-20% 0px -70% 0px' },
);
for (const name of Object.keys(SECTIONS)) {
  nearby.observe(byId(name));
  inView.observe(byId(name));
}
drawState();
