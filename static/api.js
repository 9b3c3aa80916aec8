// The service as this page sees it. Whatever goes wrong becomes a `ServiceError` with a title and a sentence that can
// be shown as they are.

import { itemUrl } from './dom.js';

const TEXT_LIMIT = 40;
const PICTURE_LIMIT = 20;

export class ServiceError extends Error {
  constructor({ title, detail = '', status = 0, code = '', retryAfter = null, requestId = '' }) {
    super(title);
    this.name = 'ServiceError';
    Object.assign(this, { title, detail, status, code, retryAfter, requestId });
  }
}

async function call(path, init = {}) {
  let response;
  try {
    response = await fetch(path, init);
  } catch (cause) {
    if (cause.name === 'AbortError') throw cause;
    throw new ServiceError({
      title: 'The service does not answer',
      detail: 'It may have been stopped, or the connection is gone. Start it with “diptych serve” and try again.',
      code: 'unreachable',
    });
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function callJson(path, init) {
  const response = await call(path, init);
  try {
    return await response.json();
  } catch (cause) {
    if (cause.name === 'AbortError') throw cause;
    throw new ServiceError({
      title: 'The answer could not be read',
      detail: `What came from ${path} is not JSON. Is something else answering in the service’s place?`,
      status: response.status,
    });
  }
}

/** Reads an error answer: problem+json where the service wrote it, plain words where something before it did. */
async function refusal(response) {
  let problem = {};
  if ((response.headers.get('content-type') ?? '').includes('json')) {
    problem = (await response.json().catch(() => ({}))) ?? {};
  }
  return new ServiceError({
    title: problem.title || `The service answered with status ${response.status}`,
    detail: problem.detail || '',
    status: response.status,
    code: problem.code || '',
    requestId: problem.request_id || '',
    retryAfter: secondsUntil(response.headers.get('retry-after')),
  });
}

/** `Retry-After` is a number of seconds or a date; anything else is no promise at all. */
function secondsUntil(header) {
  if (!header) return null;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null;
}

export const info = () => callJson('/v1/info');
export const labels = () => callJson('/v1/labels');
export const ready = () => call('/readyz');
export const item = (id, signal) => callJson(itemUrl(id), { signal });

export async function itemPicture(id, signal) {
  return (await call(itemUrl(id, '/image'), { signal })).blob();
}

export function searchWords(query, signal) {
  return callJson('/v1/search/text', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ query, target: 'image', limit: TEXT_LIMIT }),
    signal,
  });
}

/** Asks with a picture; `target` is `text` for captions or `image` for similar pictures. */
export function searchPicture(picture, target, signal) {
  return callJson(`/v1/search/image?target=${target}&limit=${PICTURE_LIMIT}`, {
    method: 'POST',
    // A system that does not know a file's ending gives it no type; the service looks at the bytes anyway.
    headers: { 'Content-Type': picture.type || 'image/x-unknown' },
    body: picture,
    signal,
  });
}
