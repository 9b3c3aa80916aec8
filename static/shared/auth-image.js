// @ts-check
// Images of the service. An `img` cannot send an API key: with one, the page fetches the bytes and shows a copy in
// memory, which is released when the image leaves the page.

import { hasKey } from './api-key.js';
import { isAbort, request } from './http.js';

/**
 * Address of an image for an `img`: its path, or with an API key the object URL of a copy.
 *
 * @param {string} path
 * @param {import('./http.js').RequestOptions} [options]
 */
export async function imageUrl(path, options) {
  if (!hasKey()) return path;
  return URL.createObjectURL(await (await request(path, options)).blob());
}

/**
 * What each `img` shows or waits for.
 *
 * @type {WeakMap<HTMLImageElement, { loading: AbortController, url: string | null }>}
 */
const copies = new WeakMap();

/**
 * Shows the image at a path of the service.
 *
 * @param {HTMLImageElement} image
 * @param {string} path
 */
export function showImage(image, path) {
  releaseImage(image);
  image.dataset.path = path;
  if (!hasKey()) {
    image.src = path;
    return;
  }
  /** @type {{ loading: AbortController, url: string | null }} */
  const copy = { loading: new AbortController(), url: null };
  copies.set(image, copy);
  imageUrl(path, { signal: copy.loading.signal })
    .then((url) => {
      if (copy.loading.signal.aborted) {
        URL.revokeObjectURL(url);
        return;
      }
      copy.url = url;
      image.src = url;
    })
    .catch((error) => {
      if (!isAbort(error)) image.dispatchEvent(new Event('error'));
    });
}

/**
 * Empties an image and releases its copy.
 *
 * @param {HTMLImageElement} image
 */
export function releaseImage(image) {
  const copy = copies.get(image);
  copies.delete(image);
  copy?.loading.abort();
  if (copy?.url) URL.revokeObjectURL(copy.url);
  image.removeAttribute('src');
}

/**
 * Releases all images within an element.
 *
 * @param {Element} node
 */
export const releaseImages = (node) => node.querySelectorAll('img').forEach(releaseImage);
