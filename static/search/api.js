// The service as the search page uses it.

import { itemUrl } from '../shared/dom.js';
import { request, requestJson, RequestError } from '../shared/http.js';
import { onlyWords, serviceFilter } from './url-state.js';
import { kept } from './uploaded-pictures.js';
import { t } from '../shared/i18n.js';

/** Results of a page, and the most that the service gives at once. */
export const PAGE = 40;
export const LARGEST_PAGE = 100;

const TARGETS = { captions: 'text', pictures: 'image' };

export const info = () => requestJson('/v1/info');
export const labels = (options) => requestJson('/v1/labels', options);
export const ready = () => request('/readyz');
export const item = (id, options) => requestJson(itemUrl(id), options);

/** Up to `limit` items of a class. */
export const itemsOf = (label, limit, options) =>
  requestJson(
    `/v1/items?limit=${limit}&filter=${encodeURIComponent(
      JSON.stringify({
        must: [
          { key: 'label', match: { any: [label] } },
          { key: 'has', match: { value: 'image' } },
        ],
      }),
    )}`,
    options,
  );

/** The request that asks a question: { path, body }. Pictures stand in it as `pictureOf` gives them. */
export async function asRequest(asked, half, { limit = PAGE, hybrid = true, pictureOf = base64 } = {}) {
  const wishes = { target: TARGETS[half], limit, filter: serviceFilter(asked), facets: ['label'], explain: true };
  const query = onlyWords(asked);
  if (query !== null) return { path: '/v1/search/text', body: { query, hybrid, ...wishes } };
  const terms = [];
  for (const { kind, value, weight } of asked.terms) {
    const what =
      kind === 'text' ? { text: value } : kind === 'item' ? { item: value } : { image_base64: await pictureOf(value) };
    terms.push(weight === 1 ? what : { ...what, weight });
  }
  return { path: '/v1/search', body: { terms, ...wishes } };
}

export async function search(asked, half, { signal, limit, hybrid } = {}) {
  const { path, body } = await asRequest(asked, half, { limit, hybrid });
  return requestJson(path, { method: 'POST', json: body, signal });
}

/** The next page of an answer. */
export const more = (cursor, signal) =>
  requestJson('/v1/search', { method: 'POST', json: { cursor, limit: PAGE }, signal });

async function base64(token) {
  const picture = await kept(token);
  if (!picture)
    throw new RequestError({
      title: t('search.picture-gone'),
      detail: t('search.picture-gone-why'),
      code: 'picture_gone',
    });
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () =>
      reject(new RequestError({ title: t('search.picture-unreadable'), detail: picture.name, code: 'picture_gone' }));
    reader.readAsDataURL(picture.blob);
  });
}
