// @ts-check
// The requests of the search page.

/** @import { Info, Item, ItemList, Label, SearchResponse } from 'api' */
/** @import { RequestOptions } from '../shared/http.js' */
/** @import { Pane, Query } from './url-state.js' */

import { itemUrl } from '../shared/dom.js';
import { request, requestJson, RequestError } from '../shared/http.js';
import { t } from '../shared/i18n.js';
import { cachedPicture } from './uploaded-pictures.js';
import { apiFilter, onlyText } from './url-state.js';

/** Results per page. */
export const PAGE_SIZE = 40;

/** Most results that one request may ask for. */
export const MAX_PAGE_SIZE = 100;

/** The results of a pane: the response, to which the results of further pages are added. */
/** @typedef {SearchResponse & { loading?: boolean }} Results */

/** @type {Record<Pane, 'text' | 'image'>} */
const TARGETS = { captions: 'text', pictures: 'image' };

/** @returns {Promise<Info>} */
export const fetchInfo = () => requestJson('/v1/info');

/**
 * @param {RequestOptions} [options]
 * @returns {Promise<{ labels: Label[] }>}
 */
export const fetchLabels = (options) => requestJson('/v1/labels', options);

export const fetchReadiness = () => request('/readyz');

/**
 * @param {string} id
 * @param {RequestOptions} [options]
 * @returns {Promise<Item>}
 */
export const fetchItem = (id, options) => requestJson(itemUrl(id), options);

/**
 * Up to `limit` items that have a label and an image.
 *
 * @param {string} label
 * @param {number} limit
 * @param {RequestOptions} [options]
 * @returns {Promise<ItemList>}
 */
export function fetchItems(label, limit, options) {
  const filter = {
    must: [
      { key: 'label', match: { any: [label] } },
      { key: 'has', match: { value: 'image' } },
    ],
  };
  return requestJson(`/v1/items?limit=${limit}&filter=${encodeURIComponent(JSON.stringify(filter))}`, options);
}

/**
 * The request for a query. Pictures are part of it as `encodePicture` returns them for their tokens.
 *
 * @param {Query} query
 * @param {Pane} pane
 * @param {{ limit?: number, hybrid?: boolean, encodePicture?: (token: string) => Promise<string> }} [options]
 */
export async function searchRequest(query, pane, options = {}) {
  const { limit = PAGE_SIZE, hybrid = true, encodePicture = base64 } = options;
  const parameters = { target: TARGETS[pane], limit, filter: apiFilter(query), facets: ['label'], explain: true };
  const text = onlyText(query);
  if (text !== null) return { path: '/v1/search/text', body: { query: text, hybrid, ...parameters } };
  const terms = [];
  for (const { kind, value, weight } of query.terms) {
    const term =
      kind === 'text'
        ? { text: value }
        : kind === 'item'
          ? { item: value }
          : { image_base64: await encodePicture(value) };
    terms.push(weight === 1 ? term : { ...term, weight });
  }
  return { path: '/v1/search', body: { terms, ...parameters } };
}

/**
 * @param {Query} query
 * @param {Pane} pane
 * @param {{ signal?: AbortSignal, limit?: number, hybrid?: boolean }} [options]
 * @returns {Promise<Results>}
 */
export async function search(query, pane, { signal, limit, hybrid } = {}) {
  const { path, body } = await searchRequest(query, pane, { limit, hybrid });
  return requestJson(path, { method: 'POST', json: body, signal });
}

/**
 * The next page of a search.
 *
 * @param {string} cursor
 * @param {AbortSignal} signal
 * @returns {Promise<SearchResponse>}
 */
export const searchNext = (cursor, signal) =>
  requestJson('/v1/search', { method: 'POST', json: { cursor, limit: PAGE_SIZE }, signal });

/**
 * @param {string} token
 * @returns {Promise<string>}
 */
async function base64(token) {
  const picture = await cachedPicture(token);
  if (!picture) {
    throw new RequestError({
      title: t('search.picture-gone'),
      detail: t('search.picture-gone-why'),
      code: 'picture_gone',
    });
  }
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => {
      const url = String(reader.result);
      resolve(url.slice(url.indexOf(',') + 1));
    };
    reader.onerror = () =>
      reject(new RequestError({ title: t('search.picture-unreadable'), detail: picture.name, code: 'picture_gone' }));
    reader.readAsDataURL(picture.blob);
  });
}
