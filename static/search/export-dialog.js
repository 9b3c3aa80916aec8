// @ts-check
// The query as code: a curl command, a Python program, or the body alone.

/** @import { Query } from './url-state.js' */
/** @typedef {{ path: string, body: object }} SearchRequest */
/** @typedef {(request: SearchRequest, withKey: boolean) => string} Format */

import { byId } from '../shared/dom.js';
import { t } from '../shared/i18n.js';
import { searchRequest } from './api.js';
import { paneOf } from './url-state.js';

const PICTURE_PLACEHOLDER = 'BASE64_OF_THE_PICTURE';
/** @type {Record<string, Format>} */
const FORMATS = { curl, python, json: ({ body }) => JSON.stringify(body, null, 2) };

/** @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @type {Format} */
function curl({ path, body }, withKey) {
  return [
    `curl -s ${quoted(location.origin + path)}`,
    ...(withKey ? ['-H "Authorization: Bearer $DIPTYCH_KEY"'] : []),
    "-H 'Content-Type: application/json'",
    `-d ${quoted(JSON.stringify(body))}`,
  ].join(' \\\n  ');
}

/** @type {Format} */
function python({ path, body }, withKey) {
  const json = JSON.stringify(body, null, 2).replaceAll("'", '\\u0027');
  const authorization = withKey ? ', "Authorization": "Bearer " + os.environ["DIPTYCH_KEY"]' : '';
  return [
    'import json, os, urllib.request',
    '',
    `body = json.loads(r'''${json}''')`,
    `headers = {"Content-Type": "application/json"${authorization}}`,
    `request = urllib.request.Request(${JSON.stringify(location.origin + path)}, json.dumps(body).encode(), headers)`,
    'with urllib.request.urlopen(request) as answer:',
    '    for result in json.load(answer)["results"]:',
    "        print(f\"{result['relevance']:.2f}  {result['id']}\")",
  ].join('\n');
}

/**
 * Copies a text to the clipboard and reports the outcome in `status`. If the browser does not allow it, the text is
 * shown.
 *
 * @param {string} text
 * @param {HTMLElement} status
 */
export async function copyText(text, status) {
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = t('shared.copied');
  } catch {
    status.textContent = t('search.not-copied', { text });
  }
}

export function exportDialog() {
  const dialog = byId('copy-dialog', HTMLDialogElement);
  const code = byId('copy-text');
  const status = byId('copy-said');
  /** @type {SearchRequest | null} */
  let request = null;
  let withKey = false;
  const draw = () => {
    const format = dialog.querySelector('input:checked');
    if (!request || !(format instanceof HTMLInputElement)) return;
    code.textContent = FORMATS[format.value](request, withKey);
    status.textContent = '';
  };
  dialog.addEventListener('change', draw);
  byId('copy-do').addEventListener('click', () => copyText(code.textContent ?? '', status));
  byId('copy-close').addEventListener('click', () => dialog.close());
  return {
    /**
     * @param {Query} query
     * @param {boolean} needsKey Whether the code has to send an API key.
     */
    async open(query, needsKey) {
      request = await searchRequest(query, paneOf(query), { encodePicture: async () => PICTURE_PLACEHOLDER });
      withKey = needsKey;
      draw();
      dialog.showModal();
    },
  };
}
