// The owner's page: sections that load when they come into view, each by itself, so that one that fails leaves the others whole.

import { fill, t } from '../shared/i18n.js';

import { byId } from '../shared/dom.js';
import { forget, hasKey, requestJson } from '../shared/http.js';
import { announce, failure, waiting } from './components.js';
import { dataSection } from './data.js';
import { keysSection } from './keys.js';
import { mapSection } from './map.js';
import { modelsSection } from './models.js';
import { reviewSection } from './review.js';
import { tasksSection } from './tasks.js';
import { trainSection } from './train.js';

/** Each fills the element it is given; what it waits for may fail. */
const SECTIONS = {
  data: dataSection,
  review: reviewSection,
  map: mapSection,
  models: modelsSection,
  train: trainSection,
  tasks: tasksSection,
  keys: keysSection,
};

/** What is shown anew when long work of a kind has ended well. */
const CHANGED_BY = {
  train: ['models', 'map'],
  activate: ['models', 'map'],
  evaluate: ['models', 'review'],
  reindex: ['map'],
  import: ['data', 'review', 'map'],
  batch: ['data', 'review', 'map'],
  compact: ['data'],
};

const seen = new Set();
const over = new Set();

async function load(name) {
  seen.add(name);
  const section = byId(name);
  const content = section.querySelector('.content');
  if (!content.firstChild) content.replaceChildren(waiting());
  section.setAttribute('aria-busy', 'true');
  try {
    await SECTIONS[name](content);
    section.dataset.state = 'ready';
  } catch (error) {
    section.dataset.state = 'error';
    content.replaceChildren(failure(error, () => load(name)));
  }
  section.removeAttribute('aria-busy');
  // What loads above the section that was asked for would push it away.
  if (aim) byId(aim).scrollIntoView({ behavior: 'instant' });
}

/** The section that was asked for, until the reader moves on by other means. */
let aim = null;

function aimAtHash() {
  aim = location.hash.slice(1) in SECTIONS ? location.hash.slice(1) : null;
}

async function state() {
  const info = await requestJson('/v1/info').catch(() => null);
  const { pictures, captions } = info?.collection ?? {};
  byId('state').textContent =
    info === null
      ? t('shared.unreachable')
      : [
          t('shared.n-pictures', { n: pictures }),
          t('shared.n-captions', { n: captions }),
          info.model ? t('admin.state-model', { model: info.model.version }) : t('admin.state-untrained'),
        ].join(' · ');
}

function keyChanged() {
  byId('forget').hidden = !hasKey();
}

fill();
document.title = `diptych – ${t('admin.owner')}`;
keyChanged();
document.addEventListener('key-changed', keyChanged);
byId('forget').addEventListener('click', () => {
  forget();
  announce(t('admin.forgotten'));
});
// Whatever begins is watched, wherever on the page it was asked for.
document.addEventListener('task-begun', () => {
  if (!seen.has('tasks')) load('tasks');
});
document.addEventListener('task-ended', (event) => {
  const { id, type, status } = event.detail;
  // Two may have watched it.
  if (over.has(id)) return;
  over.add(id);
  announce(t('admin.task-over', { type: t(`admin.type-${type}`), status: t(`admin.status-${status}`) }));
  if (status !== 'succeeded') return;
  state();
  for (const name of CHANGED_BY[type] ?? []) if (seen.has(name)) load(name);
});

aimAtHash();
addEventListener('hashchange', aimAtHash);
for (const kind of ['wheel', 'touchmove', 'pointerdown', 'keydown'])
  addEventListener(
    kind,
    () => {
      aim = null;
    },
    { passive: true },
  );

const sections = Object.keys(SECTIONS).map(byId);
const nearby = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting || seen.has(target.id)) continue;
      nearby.unobserve(target);
      load(target.id);
    }
  },
  { rootMargin: '100px' },
);
// Which section is read: the last that has come to the upper third.
const read = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      for (const link of document.querySelectorAll('#contents a')) {
        if (link.hash === `#${target.id}`) link.setAttribute('aria-current', 'true');
        else link.removeAttribute('aria-current');
      }
    }
  },
  { rootMargin: '-20% 0px -70% 0px' },
);
for (const section of sections) {
  nearby.observe(section);
  read.observe(section);
}
state();
