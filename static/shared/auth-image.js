// Pictures of the collection. With an API key an `img` cannot ask for itself: the page fetches the bytes and shows a copy in
// memory, which is given back as soon as the picture leaves the page.

import { hasKey, pictureUrl } from './http.js';

/** What each `img` shows or waits for. */
const shown = new WeakMap();

/** Shows the picture at a path of the service. */
export function show(image, path) {
  release(image);
  image.dataset.path = path;
  if (!hasKey()) {
    image.src = path;
    return;
  }
  const waiting = { stop: new AbortController(), url: null };
  shown.set(image, waiting);
  pictureUrl(path, { signal: waiting.stop.signal })
    .then((url) => {
      if (waiting.stop.signal.aborted) {
        URL.revokeObjectURL(url);
        return;
      }
      waiting.url = url;
      image.src = url;
    })
    .catch((error) => {
      if (error.name !== 'AbortError') image.dispatchEvent(new Event('error'));
    });
}

/** Gives back what the picture holds. */
export function release(image) {
  const held = shown.get(image);
  shown.delete(image);
  held?.stop.abort();
  if (held?.url) URL.revokeObjectURL(held.url);
  image.removeAttribute('src');
}

export const releaseAll = (node) => node.querySelectorAll('img').forEach(release);
