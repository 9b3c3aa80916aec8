// Lines that grow while a model learns: one small chart for each thing that is measured.

import { make } from '../shared/dom.js';
import { number } from '../shared/i18n.js';

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [320, 150, 44, 8, 8, 20];

function draw(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** A chart with a title and lines by name; `add(x, [values])` lets them grow. The title says the last values, unless they say nothing. */
export function chart(title, lines, { last: says = true } = {}) {
  const picture = draw('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, 'aria-hidden': 'true' });
  const last = make('figcaption', {}, make('strong', { text: title }), ' ');
  const said = make('span', { class: 'figure', text: '–' });
  last.append(said);
  const node = make('figure', { class: 'chart' }, last, picture);
  const points = [];

  function show() {
    const values = points.flatMap(([, each]) => each);
    let [low, high] = [Math.min(...values), Math.max(...values)];
    if (high - low < 1e-9) [low, high] = [low - 0.5 * Math.abs(low || 1), high + 0.5 * Math.abs(high || 1)];
    const [from, end] = [points[0][0], points.at(-1)[0]];
    const to = end > from ? end : from + 1;
    const x = (value) => LEFT + ((value - from) / (to - from)) * (WIDTH - LEFT - RIGHT);
    const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
    const parts = [low, (low + high) / 2, high].flatMap((value) => [
      draw('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      draw('text', { class: 'axis', x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, short(value)),
    ]);
    parts.push(
      draw('text', { class: 'axis', x: LEFT, y: HEIGHT - 4 }, number(from)),
      draw('text', { class: 'axis', x: WIDTH - RIGHT, y: HEIGHT - 4, 'text-anchor': 'end' }, number(points.at(-1)[0])),
    );
    lines.forEach((_, at) => {
      const path = points.map(([epoch, each]) => `${x(epoch).toFixed(1)},${y(each[at]).toFixed(1)}`).join(' ');
      parts.push(draw('polyline', { class: `line line-${at}`, points: path }));
      const [epoch, each] = points.at(-1);
      parts.push(draw('circle', { class: `dot line-${at}`, cx: x(epoch), cy: y(each[at]), r: 3 }));
    });
    picture.replaceChildren(...parts);
    said.replaceChildren(
      ...lines.map((name, at) =>
        make(
          'span',
          { class: name ? `named line-${at}` : '' },
          [name, says ? short(points.at(-1)[1][at]) : ''].filter(Boolean).join(' '),
        ),
      ),
    );
  }

  return {
    node,
    points,
    add(epoch, values) {
      if (!values.every(Number.isFinite)) return;
      points.push([epoch, values]);
      show();
    },
  };
}

/** Three digits that count. */
const short = (value) =>
  number(value, Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3);
