// @ts-check
// The dialog of one item: its image on one panel, its captions, labels and fields on the other.

/** @import { Hit, Item, ParsedQuery } from 'api' */
/** @typedef {Partial<Hit> & { id: string }} Shown A result, or an item of which only the id is known. */

import { releaseImage, showImage } from '../shared/auth-image.js';
import { button, byId, itemUrl, make } from '../shared/dom.js';
import { RequestError, isAbort } from '../shared/http.js';
import { formatNumber, t } from '../shared/i18n.js';
import { fetchItem } from './api.js';
import { textChip } from './chips.js';
import { examples, reasons } from './explanation.js';
import { copyText } from './export-dialog.js';
import { scoreOf } from './result-cards.js';

/** Small images are enlarged to at most this multiple of their size, as more would show nothing but pixels. */
const MAX_ENLARGEMENT = 2;

/**
 * @param {object} actions
 * @param {(id: string) => void} actions.onSimilar
 * @param {(id: string) => void} actions.onCombine The item is to become a term of the query.
 * @param {(label: string) => void} actions.onLabel
 * @param {(id: string) => void} actions.onTurn The dialog shows another result.
 * @param {(index: number) => void} actions.onClose The reader closed the dialog at a result.
 * @param {() => Promise<Hit[]>} actions.fetchNearest The results that are nearest to the query.
 */
export function itemDialog({ onSimilar, onCombine, onLabel, onTurn, onClose, fetchNearest }) {
  const dialog = byId('item-dialog', HTMLDialogElement);
  const image = byId('dialog-picture', HTMLImageElement);
  const previous = byId('dialog-previous', HTMLButtonElement);
  const next = byId('dialog-next', HTMLButtonElement);
  const original = byId('dialog-original', HTMLAnchorElement);
  const explanation = byId('dialog-why', HTMLDetailsElement);
  /** @type {Shown[]} */
  let results = [];
  /** @type {ParsedQuery | null} */
  let parsed = null;
  let index = 0;
  /** @type {AbortController | null} */
  let loading = null;
  /**
   * The query whose examples are shown.
   *
   * @type {ParsedQuery | null}
   */
  let exemplified = null;
  let closesSilently = false;

  /** @param {number} at */
  function show(at) {
    index = at;
    const result = results[index];
    loading?.abort();
    loading = new AbortController();
    image.classList.remove('broken');
    byId('dialog-place').textContent =
      results.length > 1 ? t('search.place-of', { n: index + 1, total: results.length }) : '';
    previous.disabled = index === 0;
    next.disabled = index === results.length - 1;
    byId('dialog-copied').textContent = '';
    drawImage(result, result);
    drawFields(result, {});
    const why = reasons(result, parsed);
    explanation.hidden = !why;
    byId('dialog-why-list').replaceChildren(...(why ? [why] : []));
    drawExamples();
    // Results lack some fields of their items, such as the source. Without those the dialog is still useful.
    fetchItem(result.id, { signal: loading.signal })
      .then((item) => {
        if (!result.thumbnail_url) drawImage(result, item);
        drawFields(result, item);
      })
      .catch((error) => {
        if (isAbort(error) || result.explain || !(error instanceof RequestError)) return;
        byId('dialog-title').textContent = error.detail || error.title;
      });
  }

  /**
   * Shows the image of an item, or that it has none: then there is nothing to open or to search with.
   *
   * @param {Shown} result
   * @param {Shown | Item} item
   */
  function drawImage(result, item) {
    releaseImage(image);
    image.alt = item.captions?.[0] ?? result.text ?? result.id;
    const exists = Boolean(item.thumbnail_url);
    if (exists) showImage(image, item.image_url ?? itemUrl(result.id, '/image'));
    for (const node of [image, original, byId('dialog-similar'), byId('dialog-combine')]) node.hidden = !exists;
    byId('dialog-no-picture').hidden = exists;
  }

  /**
   * @param {Shown} result
   * @param {Partial<Item>} item
   */
  function drawFields(result, item) {
    const texts = [result.text, ...(item.captions ?? result.captions ?? [])];
    const captions = [...new Set(texts.filter((text) => Boolean(text)))];
    byId('dialog-title').textContent = captions[0] ?? result.id;
    byId('dialog-captions').replaceChildren(...captions.slice(1).map((text) => make('li', { dir: 'auto', text })));
    const labels = item.labels ?? result.labels ?? [];
    byId('dialog-labels').replaceChildren(
      ...labels.map((label) =>
        make(
          'li',
          {},
          textChip(label),
          button(
            {
              class: 'chip within',
              'data-testid': 'only-in-class',
              text: t('search.only-this-class'),
              'aria-label': t('search.only-class', { label }),
            },
            () => leave(() => onLabel(label)),
          ),
        ),
      ),
    );

    const width = item.width ?? result.width;
    const height = item.height ?? result.height;
    const isKnown = (/** @type {number | undefined} */ value) => value !== undefined && Number.isFinite(value);
    /** @type {[string, unknown][]} */
    const facts = [
      [t('search.fact-id'), result.id],
      // The name suffices: folders of the server are private.
      [t('search.fact-file'), item.source?.split(/[\\/]/).at(-1)],
      [t('search.fact-size'), width && height ? `${width} × ${height}` : null],
      [t('search.relevance'), isKnown(result.relevance) ? scoreOf(result).text : null],
      [t('search.cosine'), isKnown(result.score) ? formatNumber(Number(result.score), 3) : null],
      ...Object.entries({ ...result.meta, ...item.meta }),
    ];
    byId('dialog-facts').replaceChildren(
      ...facts
        .filter(([, value]) => value !== null && value !== undefined && value !== '')
        .map(([name, value]) => {
          const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
          return make('div', {}, make('dt', { dir: 'auto', text: name }), make('dd', { dir: 'auto', text }));
        }),
    );
  }

  /** Examples need a search of their own, so they are fetched when the explanation is opened, once for a query. */
  async function drawExamples() {
    const place = byId('dialog-why-examples');
    if (exemplified !== parsed) {
      place.replaceChildren();
      exemplified = null;
    }
    if (!explanation.open || !parsed || exemplified) return;
    const query = parsed;
    exemplified = query;
    try {
      const nearest = await fetchNearest();
      if (parsed === query && nearest.length) place.replaceChildren(...examples(nearest));
    } catch {
      // The reasons stand without examples.
      if (exemplified === query) exemplified = null;
    }
  }

  /** @param {number} by */
  function step(by) {
    if (!results[index + by]) return;
    show(index + by);
    onTurn(results[index].id);
  }

  /**
   * Closes the dialog for an action that moves the reader elsewhere itself.
   *
   * @param {() => void} act
   */
  function leave(act) {
    closesSilently = true;
    dialog.close();
    act();
  }

  explanation.addEventListener('toggle', drawExamples);
  previous.addEventListener('click', () => step(-1));
  next.addEventListener('click', () => step(1));
  byId('dialog-close').addEventListener('click', () => dialog.close());
  byId('dialog-similar').addEventListener('click', () => leave(() => onSimilar(results[index].id)));
  byId('dialog-combine').addEventListener('click', () => leave(() => onCombine(results[index].id)));
  byId('dialog-link').addEventListener('click', () => {
    copyText(`${location.origin}/?item=${encodeURIComponent(results[index].id)}`, byId('dialog-copied'));
  });
  original.addEventListener('click', (event) => {
    // A link cannot send an API key, so the page opens its own copy of the file.
    if (!image.src.startsWith('blob:')) return;
    event.preventDefault();
    window.open(image.src, '_blank', 'noopener');
  });
  image.addEventListener('load', () => {
    image.style.maxWidth = `${image.naturalWidth * MAX_ENLARGEMENT}px`;
    image.style.maxHeight = `${image.naturalHeight * MAX_ENLARGEMENT}px`;
    original.href = image.src;
  });
  image.addEventListener('error', () => image.classList.add('broken'));
  dialog.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'ArrowLeft') step(-1);
    if (event.key === 'ArrowRight') step(1);
  });
  // Children fill the dialog, so a click on the dialog itself hits its backdrop.
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener('close', () => {
    loading?.abort();
    releaseImage(image);
    if (!closesSilently) onClose(index);
    closesSilently = false;
  });

  return {
    /**
     * @param {Shown[]} shown
     * @param {number} at
     * @param {ParsedQuery | null} query What the response says of its query.
     */
    open(shown, at, query) {
      results = shown;
      parsed = query;
      show(at);
      if (!dialog.open) dialog.showModal();
    },
    /** Closes the dialog because the URL opens no item any more. */
    close() {
      if (!dialog.open) return;
      closesSilently = true;
      dialog.close();
    },
    /** Id of the item that is shown; null while the dialog is closed. */
    shownId: () => (dialog.open ? results[index].id : null),
  };
}
