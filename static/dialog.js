// One item, large: the picture on one panel, its words on the other.

import { item as fetchItem } from './api.js';
import { byId, goodness, itemUrl, labelChip, make } from './dom.js';

const LARGEST_ENLARGEMENT = 2;

/**
 * Prepares the dialog. `similar(id)` is called when the reader asks for pictures like the one shown. The returned
 * `open(results, index, list)` shows a result; `list` is where the focus goes back to.
 */
export function itemDialog({ similar }) {
  const dialog = byId('item-dialog');
  const picture = byId('dialog-picture');
  let results = [];
  let at = 0;
  let list = null;
  let details = null;

  function show(index) {
    at = index;
    const result = results[at];
    details?.abort();
    details = new AbortController();

    picture.classList.remove('broken');
    picture.removeAttribute('src');
    picture.alt = result.captions?.[0] ?? result.text ?? result.id;
    // A caption may stand alone: then there is nothing to show, to open, or to ask with.
    const pictured = Boolean(result.thumbnail_url);
    if (pictured) picture.src = itemUrl(result.id, '/image');
    byId('dialog-original').href = itemUrl(result.id, '/image');
    for (const part of [picture, byId('dialog-original'), byId('dialog-similar')]) part.hidden = !pictured;
    byId('dialog-no-picture').hidden = pictured;
    byId('dialog-place').textContent = `${at + 1} of ${results.length}`;
    byId('dialog-previous').disabled = at === 0;
    byId('dialog-next').disabled = at === results.length - 1;
    words(result, {});

    // Only the item itself names its file. Without it the dialog is still whole.
    fetchItem(result.id, details.signal).then((more) => words(result, more)).catch(() => {});
  }

  function words(result, more) {
    const all = [result.text, ...(more.captions ?? result.captions ?? [])].map(captionText);
    const captions = [...new Set(all.filter(Boolean))];
    byId('dialog-title').textContent = captions[0] ?? result.id;
    byId('dialog-captions').replaceChildren(...captions.slice(1).map((text) => make('li', { text })));
    const labels = more.labels ?? result.labels ?? [];
    byId('dialog-labels').replaceChildren(...labels.map((label) => make('li', {}, labelChip(label))));

    const good = goodness(result);
    const width = more.width ?? result.width;
    const height = more.height ?? result.height;
    const meta = { ...result.meta, ...more.meta };
    const facts = [
      ['Id', result.id],
      ['File', more.source ?? more.file ?? meta.file],
      ['Size', width && height ? `${width} × ${height}` : null],
      ['Relevance', good.name === 'relevance' ? good.text : null],
      ['Cosine', Number.isFinite(result.score) ? result.score.toFixed(3) : null],
      ...Object.entries(meta).filter(([key, value]) => key !== 'file' && plain(value)),
    ].filter(([, value]) => value !== null && value !== undefined && value !== '');
    byId('dialog-facts').replaceChildren(...facts.map(([name, value]) =>
      make('div', {}, make('dt', { text: name }), make('dd', { text: String(value) }))));
  }

  const step = (by) => { if (results[at + by]) show(at + by); };
  byId('dialog-previous').addEventListener('click', () => step(-1));
  byId('dialog-next').addEventListener('click', () => step(1));
  byId('dialog-close').addEventListener('click', () => dialog.close());
  byId('dialog-similar').addEventListener('click', () => {
    list = null;
    dialog.close();
    similar(results[at].id);
  });
  // A stamp blown up to a poster shows nothing but its pixels.
  picture.addEventListener('load', () => {
    picture.style.maxWidth = `${picture.naturalWidth * LARGEST_ENLARGEMENT}px`;
    picture.style.maxHeight = `${picture.naturalHeight * LARGEST_ENLARGEMENT}px`;
  });
  picture.addEventListener('error', () => picture.classList.add('broken'));
  dialog.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'ArrowLeft') step(-1);
    if (event.key === 'ArrowRight') step(1);
  });
  // The dialog's own box is filled by its children: a click on the dialog itself is a click beside it.
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener('close', () => {
    details?.abort();
    picture.removeAttribute('src');
    list?.querySelectorAll('.opener')[at]?.focus();
  });

  return {
    open(shown, index, from) {
      results = shown;
      list = from;
      show(index);
      dialog.showModal();
    },
    close() {
      // Whoever closes it from outside says where the reader goes next.
      list = null;
      if (dialog.open) dialog.close();
    },
  };
}

const plain = (value) => ['string', 'number', 'boolean'].includes(typeof value);

// A caption is a string, or an object that carries one.
const captionText = (caption) => (typeof caption === 'string' ? caption : caption?.text);
