// What the page says when there are no results to show: an error, a wait, an empty answer.

import { count, make } from './dom.js';

/** A title, sentences, and a button that is held back for `wait` seconds where the service asked for it. */
export function notice({ title, lines = [], command = null, small = '', retry = null, wait = 0, alert = false }) {
  const box = make('section', { class: 'notice', role: alert ? 'alert' : 'status', 'data-testid': 'notice' },
    make('h3', { class: 'notice-title', text: title, 'data-testid': 'notice-title' }));
  for (const line of lines.filter(Boolean)) {
    box.append(make('p', { class: 'notice-detail', text: line, 'data-testid': 'notice-detail' }));
  }
  if (command) box.append(make('p', {}, make('code', { class: 'command', text: command })));
  if (retry) box.append(retryButton(retry, wait));
  if (small) box.append(make('p', { class: 'notice-small', text: small }));
  return box;
}

function retryButton(retry, wait) {
  const button = make('button', { type: 'button', class: 'solid', 'data-testid': 'retry' });
  button.addEventListener('click', () => retry());
  let left = wait;
  const tick = () => {
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${left} s` : 'Try again';
    if (left > 0) setTimeout(tick, 1000);
    left -= 1;
  };
  tick();
  return button;
}

export function errorNotice(error, retry) {
  const waits = error.status === 503 && error.retryAfter > 0;
  const worthRetrying = error.status === 0 ? error.code === 'unreachable' : error.status >= 429;
  return notice({
    title: error.title ?? 'This page made a mistake',
    lines: [
      error.detail ?? String(error.message),
      waits ? `The service is busy and asks to wait ${count(error.retryAfter, 'second', 'seconds')}.` : '',
    ],
    small: error.requestId ? `Request ${error.requestId}` : '',
    retry: worthRetrying ? retry : null,
    wait: waits ? error.retryAfter : 0,
    alert: true,
  });
}

export const startingNotice = (detail) => notice({
  title: 'The service is still starting',
  lines: [detail, 'This page goes on by itself as soon as it is ready.'],
});

export const untrainedNotice = () => notice({
  title: 'Nothing is trained yet',
  lines: ['Words and pictures have no common space until a model has learned it from this collection. Train it once:'],
  command: 'diptych train',
  small: 'This page looks again by itself.',
});

export const emptyNotice = (asked) => notice({
  title: 'Nothing found',
  lines: [asked.kind === 'words'
    ? `No picture answers to “${asked.words}”. Try a simpler word, or one of the collection’s labels.`
    : 'Nothing in this collection answers to this picture.'],
});
