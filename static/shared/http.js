// @ts-check
// The HTTP client: sends the API key along, and turns every failure into a `RequestError`.

import { askForKey, storedKey } from './api-key.js';
import { t } from './i18n.js';

/**
 * @typedef {object} Failure
 * @property {string} title Can be shown as it is.
 * @property {string} [detail] Can be shown as it is.
 * @property {number} [status] 0 if there was no response.
 * @property {string} [code] Code of the service's problem document, or `unreachable`.
 * @property {string} [requestId]
 * @property {number | null} [retryAfter] Seconds that the service asks to wait.
 */

export class RequestError extends Error {
  /** @param {Failure} failure */
  constructor({ title, detail = '', status = 0, code = '', requestId = '', retryAfter = null }) {
    super(detail || title);
    this.name = 'RequestError';
    this.title = title;
    this.detail = detail;
    this.status = status;
    this.code = code;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}

/**
 * Whether an error means that a request was aborted by the page itself.
 *
 * @param {unknown} error
 */
export const isAbort = (error) => error instanceof Error && error.name === 'AbortError';

/**
 * Options of `fetch`, and: `json` is sent as the body; with `quiet` nobody is asked for a key, for requests that the
 * reader did not cause.
 *
 * @typedef {RequestInit & { json?: unknown, quiet?: boolean }} RequestOptions
 */

/**
 * Sends a request and returns its response, which is always ok. If the service requires a key or another one, the
 * reader is asked for it and the request is sent again.
 *
 * @param {string} path
 * @param {RequestOptions} [options]
 * @returns {Promise<Response>}
 */
export async function request(path, { json, quiet = false, ...options } = {}) {
  const headers = new Headers(options.headers);
  if (json !== undefined) headers.set('Content-Type', 'application/json');
  const body = json === undefined ? options.body : JSON.stringify(json);
  for (;;) {
    const key = storedKey();
    if (key) headers.set('Authorization', `Bearer ${key}`);
    else headers.delete('Authorization');
    let response;
    try {
      response = await fetch(path, { ...options, headers, body });
    } catch (cause) {
      if (isAbort(cause)) throw cause;
      throw new RequestError({
        title: t('shared.unreachable'),
        detail: t('shared.unreachable-why'),
        code: 'unreachable',
      });
    }
    if (response.ok) return response;
    const error = await errorFrom(response);
    if (quiet || (error.status !== 401 && error.status !== 403)) throw error;
    if (error.status === 403 && error.code !== 'insufficient_scope') throw error;
    // Another request may have led to a new key in the meantime.
    if (storedKey() === key && !(await askForKey(error.status, key))) throw error;
  }
}

/**
 * Sends a request like `request` and returns the JSON of its response.
 *
 * @param {string} path
 * @param {RequestOptions} [options]
 * @returns {Promise<any>}
 */
export async function requestJson(path, options) {
  const response = await request(path, options);
  try {
    return await response.json();
  } catch (cause) {
    if (isAbort(cause)) throw cause;
    throw new RequestError({ title: t('shared.unreadable'), detail: path, status: response.status });
  }
}

/** @param {Response} response */
async function errorFrom(response) {
  /** @type {Partial<import('api').Problem>} */
  let problem = {};
  if ((response.headers.get('content-type') ?? '').includes('json')) {
    problem = (await response.json().catch(() => ({}))) ?? {};
  }
  return new RequestError({
    title: problem.title || t('shared.refused', { status: String(response.status) }),
    detail: problem.detail || '',
    status: response.status,
    code: problem.code || '',
    requestId: problem.request_id || response.headers.get('x-request-id') || '',
    retryAfter: secondsUntil(response.headers.get('retry-after')),
  });
}

/**
 * Seconds of a `Retry-After` header, which holds a number or a date; null if it holds neither.
 *
 * @param {string | null} header
 */
function secondsUntil(header) {
  if (!header) return null;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null;
}
