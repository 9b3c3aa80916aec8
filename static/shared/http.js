// Asks the service, with an API key where one is needed. The key is asked for when the service first wants one, and is kept for
// this tab's session alone.

import { byId, make } from './dom.js';
import { t } from './i18n.js';

const STORE = 'diptych-key';

/** What went wrong: `title` and `detail` can be shown as they are; `code` is the service's, or `unreachable`. */
export class RequestError extends Error {
  constructor({ title, detail = '', status = 0, code = '', requestId = '', retryAfter = null, errors = [] }) {
    super(detail || title);
    this.name = 'RequestError';
    Object.assign(this, { title, detail, status, code, requestId, retryAfter, errors });
  }
}

const stored = () => sessionStorage.getItem(STORE) ?? '';

/** Whether a key is kept. */
export const hasKey = () => stored() !== '';

/** Shows this key from now on. */
export function keep(key) {
  sessionStorage.setItem(STORE, key);
  document.dispatchEvent(new CustomEvent('key-changed'));
}

/** Keeps no key any longer. */
export function forget() {
  sessionStorage.removeItem(STORE);
  document.dispatchEvent(new CustomEvent('key-changed'));
}

/**
 * Sends a request and gives its answer, a `Response` that is ok. `options` are those of fetch; `json` in them becomes a body.
 * Where the service wants a key or another one, the reader is asked for it and the request is sent again; `quiet` in them asks
 * nobody, for what a page does by itself.
 */
export async function request(path, { json, quiet = false, ...options } = {}) {
  const headers = new Headers(options.headers);
  if (json !== undefined) headers.set('Content-Type', 'application/json');
  const body = json === undefined ? options.body : JSON.stringify(json);
  for (;;) {
    const key = stored();
    if (key) headers.set('Authorization', `Bearer ${key}`);
    else headers.delete('Authorization');
    let response;
    try {
      response = await fetch(path, { ...options, headers, body });
    } catch (cause) {
      if (cause.name === 'AbortError') throw cause;
      throw new RequestError({
        title: t('shared.unreachable'),
        detail: t('shared.unreachable-why'),
        code: 'unreachable',
      });
    }
    if (response.ok) return response;
    const error = await refusal(response);
    if (quiet || (error.status !== 401 && error.status !== 403)) throw error;
    if (error.status === 403 && error.code !== 'insufficient_scope') throw error;
    // Somebody may have given another key while this was on its way.
    if (stored() === key && !(await ask(error, key))) throw error;
  }
}

/** As `request`, and reads the answer's JSON. */
export async function requestJson(path, options) {
  const response = await request(path, options);
  try {
    return await response.json();
  } catch (cause) {
    if (cause.name === 'AbortError') throw cause;
    throw new RequestError({ title: t('shared.unreadable'), detail: path, status: response.status });
  }
}

/** Where an `img` finds a picture of the service: its own address, or where a key is needed a copy in memory. */
export async function pictureUrl(path, options) {
  if (!hasKey()) return path;
  return URL.createObjectURL(await (await request(path, options)).blob());
}

async function refusal(response) {
  let problem = {};
  if ((response.headers.get('content-type') ?? '').includes('json'))
    problem = (await response.json().catch(() => ({}))) ?? {};
  return new RequestError({
    title: problem.title || t('shared.refused', { status: String(response.status) }),
    detail: problem.detail || '',
    status: response.status,
    code: problem.code || '',
    requestId: problem.request_id || response.headers.get('x-request-id') || '',
    retryAfter: secondsUntil(response.headers.get('retry-after')),
    errors: problem.errors ?? [],
  });
}

/** `Retry-After` is a number of seconds or a date; anything else is no promise at all. */
function secondsUntil(header) {
  if (!header) return null;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null;
}

/** All who wait for a key wait for the same question. */
let asked = null;

function ask(error, key) {
  asked ??= question(error, key).finally(() => {
    asked = null;
  });
  return asked;
}

/** Asks for a key; false if the reader gives none. */
function question(error, key) {
  return new Promise((resolve) => {
    const field = make('input', {
      id: 'key-field',
      type: 'password',
      autocomplete: 'off',
      spellcheck: 'false',
      required: true,
      'data-testid': 'key-field',
      'aria-describedby': 'key-fault key-why',
    });
    const cancel = make('button', {
      type: 'button',
      class: 'quiet',
      'data-testid': 'key-cancel',
      text: t('shared.cancel'),
    });
    const fault = !key ? '' : error.status === 403 ? t('shared.key-scope') : t('shared.key-wrong');
    const form = make(
      'form',
      { method: 'dialog' },
      make('h2', { id: 'key-title', text: t('shared.key-title') }),
      make('label', { for: 'key-field', text: t('shared.key-field') }),
      field,
      make('p', { id: 'key-fault', role: 'alert', 'data-testid': 'key-fault', text: fault }),
      make('p', { id: 'key-why', text: t('shared.key-why') }),
      make(
        'p',
        { class: 'key-buttons' },
        make('button', { class: 'solid', 'data-testid': 'key-use', text: t('shared.key-use') }),
        cancel,
      ),
    );
    const dialog = make(
      'dialog',
      { id: 'key-dialog', class: 'key-dialog', 'aria-labelledby': 'key-title', 'data-testid': 'key-dialog' },
      form,
    );
    let given = false;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (!field.value.trim()) return;
      keep(field.value.trim());
      given = true;
      dialog.close();
    });
    cancel.addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => {
      dialog.remove();
      // One that does not count is of no more use.
      if (!given && key && error.status === 401) forget();
      resolve(given);
    });
    byId('key-dialog')?.remove();
    document.body.append(dialog);
    dialog.showModal();
  });
}
