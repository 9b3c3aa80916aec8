// How a picture comes in: chosen, dropped anywhere on the page, or pasted.

import { byId } from './dom.js';
import { ServiceError } from './api.js';

const ITEM_PATH = /^\/v1\/items\/([^/]+)\/(?:image|thumbnail)$/;

/**
 * `asked(file)` gets a picture from outside, `askedItem(id)` one of the page's own pictures that was dragged, and
 * `refused(error)` a sentence about anything that is not a picture.
 */
export function takePictures({ asked, askedItem, refused }) {
  const input = byId('picture-file');
  const veil = byId('drop-veil');

  const take = (files) => {
    const file = [...files].find(isPicture) ?? files[0];
    if (!isPicture(file)) refused(notAPicture(file));
    else if (file.size === 0) refused(emptyFile(file));
    else asked(file);
  };

  for (const button of document.querySelectorAll('.choose-picture')) {
    button.addEventListener('click', () => input.click());
  }
  input.addEventListener('change', () => {
    if (input.files.length) take(input.files);
    // The same file chosen twice is two questions.
    input.value = '';
  });

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
  document.addEventListener('dragend', () => { veil.hidden = true; });
  document.addEventListener('drop', (event) => {
    veil.hidden = true;
    if (!carriesPicture(event)) return;
    event.preventDefault();
    const own = ownItem(event.dataTransfer.getData('text/uri-list'));
    if (own !== null) askedItem(own);
    else if (event.dataTransfer.files.length) take(event.dataTransfer.files);
    else {
      refused(new ServiceError({
        title: 'Only picture files can be dropped here',
        detail: 'What was dropped is a link, and this page fetches nothing from elsewhere. Save the picture first.',
      }));
    }
  });
}

// A file whose ending the system does not know has no type: the service decides by its bytes.
const isPicture = (file) => file.type === '' || file.type.startsWith('image/');

function emptyFile(file) {
  return new ServiceError({ title: 'This file is empty', detail: `“${file.name}” has 0 bytes.` });
}

function notAPicture(file) {
  return new ServiceError({
    title: 'This is not a picture',
    detail: `“${file.name}” is ${file.type}. Pictures may be PNG, JPEG, WebP, GIF, BMP, TIFF or SVG.`,
  });
}

/** The id of an item of this collection that a dragged link leads to, else null. */
function ownItem(link) {
  const address = link.split(/\r?\n/).find((line) => line && !line.startsWith('#'));
  if (!address || !URL.canParse(address)) return null;
  const url = new URL(address);
  const match = url.origin === location.origin ? ITEM_PATH.exec(url.pathname) : null;
  return match ? decodeURIComponent(match[1]) : null;
}
