// The common space: pictures and captions where the model puts them, and what lies near what.

import { make } from '../shared/dom.js';
import { requestJson } from '../shared/http.js';
import { item, openItem, thumbnail } from './item.js';
import { action, announce, empty, failure, field, more } from './components.js';
import { classesOf, colourOf } from './class-colors.js';
import { Sheet } from './scatter-plot.js';
import { number, t } from '../shared/i18n.js';

const POINTS = 20_000;
/** Milliseconds that the pointer rests before an item is asked for. */
const REST = 70;
/** Found results whose middle is the place of a query. */
const FOUND = 10;
/** Items of a selection that are listed. */
const LISTED = 60;

export async function mapSection(place) {
  const { points, total, model, index_generation: generation } = await requestJson(`/v1/map?limit=${POINTS}`);
  if (points.length === 0) {
    place.replaceChildren(empty(t('admin.no-points')));
    return;
  }
  const classes = classesOf(points);
  const canvas = make('canvas', {
    tabindex: '0',
    role: 'application',
    'aria-label': t('admin.map-label', { n: points.length }),
    'aria-describedby': 'map-how',
    'data-testid': 'map-canvas',
  });
  const card = make('div', { class: 'hover-card', hidden: true, 'aria-hidden': 'true', 'data-testid': 'hover-card' });
  const frame = make('div', { class: 'map-frame' }, canvas, card);
  const listed = make('div', { class: 'listed', 'data-testid': 'listed' });
  const fault = make('div');
  const list = (shown, what) => listed.replaceChildren(...selection(shown, what));
  const sheet = new Sheet(canvas, {
    hover: hovering(card, frame),
    open: (point) => openItem(point.id, canvas),
    lassoed: (shown) => list(shown, t('admin.in-lasso')),
  });
  const lasso = make('button', {
    type: 'button',
    class: 'plain',
    'aria-pressed': 'false',
    text: t('admin.lasso'),
    'data-testid': 'lasso',
  });
  lasso.addEventListener('click', () => {
    sheet.lasso = !sheet.lasso;
    lasso.setAttribute('aria-pressed', String(sheet.lasso));
    frame.classList.toggle('lassoing', sheet.lasso);
  });
  const press = (name, does) => action(name, async () => does(), fault);
  place.replaceChildren(
    make('p', {
      class: 'soft',
      text: t(total > points.length ? 'admin.map-sample' : 'admin.map-whole', {
        n: points.length,
        total,
        model,
        generation,
      }),
    }),
    make(
      'div',
      { class: 'map-bar' },
      query(sheet, points, fault),
      make(
        'div',
        { class: 'row' },
        lasso,
        press('admin.zoom-in', () => sheet.zoom(1.5)),
        press('admin.zoom-out', () => sheet.zoom(1 / 1.5)),
        press('admin.zoom-reset', () => sheet.reset()),
      ),
    ),
    fault,
    frame,
    make(
      'p',
      { class: 'soft legend', id: 'map-how' },
      make('span', { class: 'square' }),
      ` ${t('admin.is-picture')} · `,
      make('span', { class: 'ring' }),
      ` ${t('admin.is-caption')} · ${t('admin.map-how')}`,
    ),
    make('h3', { text: t('admin.map-classes') }),
    legend(sheet, classes, (labels) => {
      if (labels.size === 0) listed.replaceChildren();
      else
        list(
          points.filter((point) => labels.has(point.label)),
          [...labels].join(', '),
        );
    }),
    listed,
  );
  sheet.show(points, classes);
  canvas.dataset.points = String(points.length);
}

/** Shows what the pointer rests on: a picture, or words. */
function hovering(card, frame) {
  let timer = null;
  let current = null;
  return (point, x, y) => {
    clearTimeout(timer);
    current = point;
    if (!point) {
      card.hidden = true;
      return;
    }
    timer = setTimeout(async () => {
      try {
        const shown = await item(point.id);
        const picture = point.kind === 'image' ? await thumbnail(shown) : null;
        if (current !== point) return;
        const words = point.kind === 'image' ? shown.captions[0] : shown.captions[point.caption ?? 0];
        card.replaceChildren(
          ...[
            picture,
            make('p', { dir: 'auto', text: words ?? point.id }),
            make('p', {
              class: 'soft',
              text: [t(point.kind === 'image' ? 'admin.is-picture' : 'admin.is-caption'), shown.labels.join(', ')]
                .filter(Boolean)
                .join(' · '),
            }),
          ].filter(Boolean),
        );
      } catch {
        if (current !== point) return;
        card.replaceChildren(make('p', { text: point.id }));
      }
      card.hidden = false;
      const right = x > frame.clientWidth / 2;
      card.style.left = right ? '' : `${x + 16}px`;
      card.style.right = right ? `${frame.clientWidth - x + 16}px` : '';
      card.style.top = `${Math.min(y, Math.max(0, frame.clientHeight - card.offsetHeight - 8))}px`;
    }, REST);
  };
}

/** Words whose place on the sheet is a star: the middle of what they find. */
function query(sheet, points, fault) {
  const input = make('input', { type: 'search', autocomplete: 'off', 'data-testid': 'map-query' });
  const said = make('output', { for: 'map-query', class: 'soft', 'data-testid': 'map-found' });
  const node = make(
    'form',
    { class: 'map-query' },
    field('map-query', t('admin.map-query'), input),
    make('button', { class: 'plain', 'data-testid': 'map-ask', text: t('admin.map-ask') }),
    said,
  );
  const places = new Map(points.map((point) => [`${point.kind} ${point.caption ?? ''} ${point.id}`, point]));
  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    fault.replaceChildren();
    if (!input.value.trim()) {
      sheet.mark(null);
      said.textContent = '';
      return;
    }
    try {
      const { results } = await requestJson('/v1/search/text', {
        method: 'POST',
        json: { query: input.value, target: 'any', limit: FOUND },
      });
      const found = results
        .map((one) => places.get(`${one.kind} ${one.kind === 'image' ? '' : one.caption} ${one.id}`))
        .filter(Boolean);
      const mean = (axis) => found.reduce((sum, point) => sum + point[axis], 0) / found.length;
      sheet.mark(found.length ? { x: mean('x'), y: mean('y') } : null);
      said.textContent = t(found.length ? 'admin.map-found' : 'admin.map-none', {
        n: found.length,
        of: results.length,
      });
    } catch (error) {
      fault.replaceChildren(failure(error));
    }
  });
  return node;
}

/** Classes with their counts; each pressed one is shown, the others fade. */
function legend(sheet, classes, chosen) {
  const labels = new Set();
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const dots = [];
  const buttons = classes.map(({ label, count, colour }) => {
    const dot = make('span', { class: 'dot', 'aria-hidden': 'true' });
    dots.push([dot, colour]);
    const button = make(
      'button',
      { type: 'button', class: 'legend-button', 'aria-pressed': 'false', 'data-testid': 'map-class' },
      dot,
      make('span', { dir: 'auto', text: label }),
      make('span', { class: 'figure soft', text: number(count) }),
    );
    button.addEventListener('click', () => {
      if (labels.delete(label)) button.setAttribute('aria-pressed', 'false');
      else {
        labels.add(label);
        button.setAttribute('aria-pressed', 'true');
      }
      sheet.highlight(labels);
      chosen(labels);
    });
    return make('li', {}, button);
  });
  const colour = () => dots.forEach(([dot, which]) => dot.style.setProperty('--dot', colourOf(which, dark.matches)));
  colour();
  dark.addEventListener('change', colour);
  return make('ul', { class: 'legend-list' }, ...buttons);
}

/** What a lasso or a class holds: how many of what, and the items themselves. */
function selection(shown, what) {
  const said = t('admin.holds', {
    what,
    pictures: t('shared.n-pictures', { n: shown.filter((point) => point.kind === 'image').length }),
    captions: t('shared.n-captions', { n: shown.filter((point) => point.kind === 'text').length }),
  });
  announce(said);
  const ids = [...new Set(shown.map((point) => point.id))];
  const counts = classesOf(shown)
    .map(({ label, count }) => `${label} ${number(count)}`)
    .join(', ');
  const rows = ids.slice(0, LISTED).map((id) => {
    const button = make('button', { type: 'button', class: 'link', text: id, 'data-testid': 'listed-item' });
    button.addEventListener('click', () => openItem(id));
    return make('li', {}, button);
  });
  return [
    make('p', { 'data-testid': 'held', text: said }),
    counts ? make('p', { class: 'soft', text: counts }) : null,
    rows.length
      ? more(t('admin.items-first', { n: rows.length, of: ids.length }), make('ul', { class: 'groups' }, ...rows))
      : null,
  ].filter(Boolean);
}
