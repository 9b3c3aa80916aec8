// One item, large: the picture on one panel, its words on the other.

import { item as fetchItem } from './api.js';
import { button, byId, goodness, itemUrl, make, wordsChip } from '../shared/dom.js';
import { release, show as showPicture } from '../shared/auth-image.js';
import { number, t } from '../shared/i18n.js';
import { copyText } from './export-dialog.js';
import { examples, reasons } from './explanation.js';

const LARGEST_ENLARGEMENT = 2;

/**
 * Prepares the dialog. It calls `similar(id)`, `combine(id)` and `within(label)` when the reader asks for pictures like the one
 * shown, for it as one term more, or for a class alone; `turned(id)` when it shows another result and `closed(at)` when it is gone.
 * `nearest()` gives the results that lie nearest to the question.
 */
export function itemDialog({ similar, combine, within, turned, closed, nearest }) {
  const dialog = byId('item-dialog');
  const picture = byId('dialog-picture');
  let results = [];
  let query = null;
  let at = 0;
  let details = null;
  /** The question whose examples are shown. */
  let exemplified = null;
  let silent = false;

  function show(index) {
    at = index;
    const result = results[at];
    details?.abort();
    details = new AbortController();
    picture.classList.remove('broken');
    byId('dialog-place').textContent =
      results.length > 1 ? t('search.place-of', { n: at + 1, total: results.length }) : '';
    byId('dialog-previous').disabled = at === 0;
    byId('dialog-next').disabled = at === results.length - 1;
    byId('dialog-copied').textContent = '';
    pictured(result, result);
    words(result, {});
    const why = reasons(result, query);
    byId('dialog-why').hidden = !why;
    byId('dialog-why-list').replaceChildren(...(why ? [why] : []));
    explain();
    // Only the item itself names its file. Without it the dialog is still whole.
    fetchItem(result.id, { signal: details.signal })
      .then((more) => {
        if (!result.thumbnail_url) pictured(result, more);
        words(result, more);
      })
      .catch((error) => {
        if (error.name !== 'AbortError' && !result.explain)
          byId('dialog-title').textContent = error.detail || error.title;
      });
  }

  /** A caption may stand alone: then there is nothing to show, to open, or to ask with. */
  function pictured(result, { thumbnail_url: has, image_url: url, captions }) {
    release(picture);
    picture.alt = captions?.[0] ?? result.text ?? result.id;
    if (has) showPicture(picture, url ?? itemUrl(result.id, '/image'));
    for (const part of [picture, byId('dialog-original'), byId('dialog-similar'), byId('dialog-combine')])
      part.hidden = !has;
    byId('dialog-no-picture').hidden = Boolean(has);
  }

  function words(result, more) {
    const all = [result.text, ...(more.captions ?? result.captions ?? [])];
    const captions = [...new Set(all.filter(Boolean))];
    byId('dialog-title').textContent = captions[0] ?? result.id;
    byId('dialog-captions').replaceChildren(...captions.slice(1).map((text) => make('li', { dir: 'auto', text })));
    const labels = more.labels ?? result.labels ?? [];
    byId('dialog-labels').replaceChildren(
      ...labels.map((label) =>
        make(
          'li',
          {},
          wordsChip(label),
          button(
            {
              class: 'chip within',
              'data-testid': 'only-in-class',
              text: t('search.only-this-class'),
              'aria-label': t('search.only-class', { label }),
            },
            () => leave(() => within(label)),
          ),
        ),
      ),
    );

    const good = goodness(result);
    const width = more.width ?? result.width;
    const height = more.height ?? result.height;
    const facts = [
      [t('search.fact-id'), result.id],
      // Where it lies on the machine that serves is nobody else's business.
      [t('search.fact-file'), more.source?.split(/[\\/]/).at(-1)],
      [t('search.fact-size'), width && height ? `${width} × ${height}` : null],
      [t('search.relevance'), Number.isFinite(result.relevance) ? good.text : null],
      [t('search.cosine'), Number.isFinite(result.score) ? number(result.score, 3) : null],
      ...Object.entries({ ...result.meta, ...more.meta }).map(([key, value]) => [
        key,
        typeof value === 'object' ? JSON.stringify(value) : value,
      ]),
    ].filter(([, value]) => value !== null && value !== undefined && value !== '');
    byId('dialog-facts').replaceChildren(
      ...facts.map(([name, value]) =>
        make('div', {}, make('dt', { dir: 'auto', text: name }), make('dd', { dir: 'auto', text: String(value) })),
      ),
    );
  }

  /** Examples cost a search of their own, so they come when somebody wants to know why, once for a question. */
  async function explain() {
    const place = byId('dialog-why-examples');
    if (exemplified !== query) {
      place.replaceChildren();
      exemplified = null;
    }
    if (!byId('dialog-why').open || !query || exemplified) return;
    const of = query;
    exemplified = of;
    try {
      const results = await nearest();
      if (query === of && results.length) place.replaceChildren(...examples(results));
    } catch {
      // The reasons stand without examples.
      if (exemplified === of) exemplified = null;
    }
  }

  function step(by) {
    if (!results[at + by]) return;
    show(at + by);
    turned(results[at].id);
  }

  /** Closes for something else than reading on: whoever does it says where the reader goes next. */
  function leave(act) {
    silent = true;
    dialog.close();
    act();
  }

  byId('dialog-why').addEventListener('toggle', explain);
  byId('dialog-previous').addEventListener('click', () => step(-1));
  byId('dialog-next').addEventListener('click', () => step(1));
  byId('dialog-close').addEventListener('click', () => dialog.close());
  byId('dialog-similar').addEventListener('click', () => leave(() => similar(results[at].id)));
  byId('dialog-combine').addEventListener('click', () => leave(() => combine(results[at].id)));
  byId('dialog-link').addEventListener('click', () => {
    copyText(`${location.origin}/?item=${encodeURIComponent(results[at].id)}`, byId('dialog-copied'));
  });
  byId('dialog-original').addEventListener('click', (event) => {
    // Where a key is needed a link cannot show it: the page opens the copy that it has.
    if (!picture.src.startsWith('blob:')) return;
    event.preventDefault();
    open(picture.src, '_blank', 'noopener');
  });
  // A stamp blown up to a poster shows nothing but its pixels.
  picture.addEventListener('load', () => {
    picture.style.maxWidth = `${picture.naturalWidth * LARGEST_ENLARGEMENT}px`;
    picture.style.maxHeight = `${picture.naturalHeight * LARGEST_ENLARGEMENT}px`;
    byId('dialog-original').href = picture.src;
  });
  picture.addEventListener('error', () => picture.classList.add('broken'));
  dialog.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === 'ArrowLeft') step(-1);
    if (event.key === 'ArrowRight') step(1);
  });
  // The dialog's own box is filled by its children: a click on the dialog itself is a click beside it.
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener('close', () => {
    details?.abort();
    release(picture);
    if (!silent) closed(at);
    silent = false;
  });

  return {
    /** Shows a result of these; `of` is what the answer says of its question. */
    open(shown, index, of) {
      results = shown;
      query = of;
      show(index);
      if (!dialog.open) dialog.showModal();
    },
    /** Goes away because the address says so. */
    close() {
      if (!dialog.open) return;
      silent = true;
      dialog.close();
    },
    showing: () => (dialog.open ? results[at].id : null),
    at: () => at,
  };
}
