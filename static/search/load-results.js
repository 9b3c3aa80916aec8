// @ts-check
// Loading the results of a pane, page by page.

/** @import { Results } from './api.js' */
/** @import { Pane, Query } from './url-state.js' */

import * as api from './api.js';
import { hasValues, recordValues } from './filters.js';
import { NO_FILTER, hasFilter } from './url-state.js';

/**
 * Results of a pane, at least as many as the reader had loaded before.
 *
 * @param {Query} query
 * @param {Pane} pane
 * @param {AbortSignal} signal
 * @param {number} [loaded]
 */
export async function loadResults(query, pane, signal, loaded = api.PAGE_SIZE) {
  const limit = Math.max(api.PAGE_SIZE, Math.min(loaded, api.MAX_PAGE_SIZE));
  const results = await api.search(query, pane, { signal, limit });
  while (results.next_cursor && results.results.length < loaded) await appendPage(results, signal);
  if (pane === 'pictures') {
    if (!hasFilter(query)) recordValues(query, results);
    else if (!hasValues(query)) {
      recordValues(query, await api.search({ ...query, filter: NO_FILTER }, pane, { signal }));
    }
  }
  return results;
}

/**
 * Adds the next page to results and returns it.
 *
 * @param {Results} results
 * @param {AbortSignal} signal
 */
export async function appendPage(results, signal) {
  const page = await api.searchNext(results.next_cursor ?? '', signal);
  results.results.push(...page.results);
  results.next_cursor = page.next_cursor;
  return page;
}
