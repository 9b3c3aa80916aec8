// How a picture comes in: chosen, dropped anywhere on the page, or pasted.

import { byId } from '../shared/dom.js';
import { RequestError } from '../shared/http.js';
import { t } from '../shared/i18n.js';

const ITEM_PATH = /^\/v1\/items\/([^/]+)\/(?:image|thumbnail)$/;

/**
 * `asked(file)` gets a picture from outside, `askedItem(id)` one of the page's own pictures that was dragged, and
 * `refused(error)` a sentence about anything that is not a picture. A camera is asked where the device has one.
 */
export function takePictures({ asked, askedItem, refused }) {
  const veil = byId('drop-veil');

  const take = (files) => {
    const file = [...files].find(isPicture) ?? files[0];
    if (!isPicture(file)) refused(notAPicture(file));
    else if (file.size === 0) refused(emptyFile(file));
    else asked(file);
  };

  for (const [name, id] of [
    ['.choose-picture', 'picture-file'],
    ['.take-photo', 'camera-file'],
  ]) {
    const input = byId(id);
    for (const button of document.querySelectorAll(name)) button.addEventListener('click', () => input.click());
    input.addEventListener('change', () => {
      if (input.files.length) take(input.files);
      // The same file chosen twice is two questions.
      input.value = '';
    });
  }

  document.addEventListener('paste', (event) => {
    if (!event.clipboardData?.files.length) return;
    event.preventDefault();
    take(event.clipboardData.files);
  });

  const carriesPicture = (event) => ['Files', 'text/uri-list'].some((type) => event.dataTransfer?.types.includes(type));
  document.addEventListener('dragover', (event) => {
    if (!carriesPicture(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    veil.hidden = false;
  });
  document.addEventListener('dragleave', (event) => {
    // Leaving for another element of the page is no leaving.
    if (!event.relatedTarget) veil.hidden = true;
  });
  // A picture that is shown from memory has an address that says nothing; its own goes with it.
  document.addEventListener('dragstart', (event) => {
    const path = event.target.dataset?.path;
    if (path) event.dataTransfer.setData('text/uri-list', new URL(path, location.href).href);
  });
  document.addEventListener('dragend', () => {
    veil.hidden = true;
  });
  document.addEventListener('drop', (event) => {
    veil.hidden = true;
    if (!carriesPicture(event)) return;
    event.preventDefault();
    const own = ownItem(event.dataTransfer.getData('text/uri-list'));
    if (own !== null) askedItem(own);
    else if (event.dataTransfer.files.length) take(event.dataTransfer.files);
    else {
      refused(new RequestError({ title: t('search.drop-link'), detail: t('search.drop-link-why') }));
    }
  });
}

// A file whose ending the system does not know has no type: the service decides by its bytes.
const isPicture = (file) => file.type === '' || file.type.startsWith('image/');

const emptyFile = ({ name }) =>
  new RequestError({ title: t('search.file-empty'), detail: t('search.file-empty-why', { name }) });

const notAPicture = ({ name, type }) =>
  new RequestError({ title: t('search.no-picture'), detail: t('search.no-picture-why', { name, type }) });

/** The id of an item of this collection that a dragged link leads to, else null. */
function ownItem(link) {
  const address = link.split(/\r?\n/).find((line) => line && !line.startsWith('#'));
  if (!address || !URL.canParse(address)) return null;
  const url = new URL(address);
  const match = url.origin === location.origin ? ITEM_PATH.exec(url.pathname) : null;
  return match ? decodeURIComponent(match[1]) : null;
}
