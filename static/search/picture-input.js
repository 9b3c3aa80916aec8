// @ts-check
// Pictures to search with: chosen from a file, taken with the camera, dropped anywhere on the page, or pasted.

import { byId } from '../shared/dom.js';
import { RequestError } from '../shared/http.js';
import { t } from '../shared/i18n.js';

const ITEM_PATH = /^\/v1\/items\/([^/]+)\/(?:image|thumbnail)$/;

/**
 * @param {object} actions
 * @param {(file: File) => unknown} actions.onPicture
 * @param {(id: string) => unknown} actions.onItem A picture of the page itself was dropped.
 * @param {(error: RequestError) => unknown} actions.onError Something else than a picture was chosen, dropped or
 *   pasted.
 */
export function listenForPictures({ onPicture, onItem, onError }) {
  const overlay = byId('drop-veil');

  /** @param {FileList} files Not empty. */
  const accept = (files) => {
    const file = [...files].find(mayBePicture) ?? files[0];
    if (!mayBePicture(file)) onError(notAPicture(file));
    else if (file.size === 0) onError(emptyFile(file));
    else onPicture(file);
  };

  for (const [name, id] of [
    ['.choose-picture', 'picture-file'],
    ['.take-photo', 'camera-file'],
  ]) {
    const input = byId(id, HTMLInputElement);
    for (const button of document.querySelectorAll(name)) button.addEventListener('click', () => input.click());
    input.addEventListener('change', () => {
      if (input.files?.length) accept(input.files);
      // Otherwise choosing the same file again would not be a change.
      input.value = '';
    });
  }

  document.addEventListener('paste', (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    accept(event.clipboardData.files);
  });

  /** @param {DragEvent} event */
  const carriesPicture = (event) => ['Files', 'text/uri-list'].some((type) => event.dataTransfer?.types.includes(type));
  document.addEventListener('dragover', (event) => {
    if (!event.dataTransfer || !carriesPicture(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    overlay.hidden = false;
  });
  document.addEventListener('dragleave', (event) => {
    // With a related target the pointer only moved to another element of the page.
    if (!event.relatedTarget) overlay.hidden = true;
  });
  // The address of an image that is shown from memory does not name its item, so its path goes along.
  document.addEventListener('dragstart', ({ target, dataTransfer }) => {
    const path = target instanceof HTMLElement ? target.dataset.path : undefined;
    if (path) dataTransfer?.setData('text/uri-list', new URL(path, location.href).href);
  });
  document.addEventListener('dragend', () => {
    overlay.hidden = true;
  });
  document.addEventListener('drop', (event) => {
    overlay.hidden = true;
    if (!event.dataTransfer || !carriesPicture(event)) return;
    event.preventDefault();
    const item = itemOfLink(event.dataTransfer.getData('text/uri-list'));
    if (item !== null) onItem(item);
    else if (event.dataTransfer.files.length) accept(event.dataTransfer.files);
    else onError(new RequestError({ title: t('search.drop-link'), detail: t('search.drop-link-why') }));
  });
}

/**
 * Files of a type that the system does not know are accepted: the service examines their content.
 *
 * @param {File} file
 */
const mayBePicture = ({ type }) => type === '' || type.startsWith('image/');

/** @param {File} file */
const emptyFile = ({ name }) =>
  new RequestError({ title: t('search.file-empty'), detail: t('search.file-empty-why', { name }) });

/** @param {File} file */
const notAPicture = ({ name, type }) =>
  new RequestError({ title: t('search.no-picture'), detail: t('search.no-picture-why', { name, type }) });

/**
 * The id of the item of this collection that a dragged link names; null if it names none.
 *
 * @param {string} uriList
 */
function itemOfLink(uriList) {
  const link = uriList.split(/\r?\n/).find((line) => line && !line.startsWith('#'));
  if (!link || !URL.canParse(link)) return null;
  const url = new URL(link);
  const match = url.origin === location.origin ? ITEM_PATH.exec(url.pathname) : null;
  return match ? decodeURIComponent(match[1]) : null;
}
