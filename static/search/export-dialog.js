// The question as something else can ask it: a command, a few lines of Python, or the body alone.

import { asRequest } from './api.js';
import { byId } from '../shared/dom.js';
import { half } from './url-state.js';
import { t } from '../shared/i18n.js';

const PLACE_OF_PICTURE = 'BASE64_OF_THE_PICTURE';
const FORMS = { curl, python, json: ({ body }) => JSON.stringify(body, null, 2) };

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl({ path, body }, key) {
  return [
    `curl -s ${quoted(location.origin + path)}`,
    ...(key ? ['-H "Authorization: Bearer $DIPTYCH_KEY"'] : []),
    "-H 'Content-Type: application/json'",
    `-d ${quoted(JSON.stringify(body))}`,
  ].join(' \\\n  ');
}

function python({ path, body }, key) {
  return [
    'import json, os, urllib.request',
    '',
    `body = json.loads(r'''${JSON.stringify(body, null, 2).replaceAll("'", '\\u0027')}''')`,
    `headers = {"Content-Type": "application/json"${key ? ', "Authorization": "Bearer " + os.environ["DIPTYCH_KEY"]' : ''}}`,
    `request = urllib.request.Request(${JSON.stringify(location.origin + path)}, json.dumps(body).encode(), headers)`,
    'with urllib.request.urlopen(request) as answer:',
    '    for result in json.load(answer)["results"]:',
    "        print(f\"{result['relevance']:.2f}  {result['id']}\")",
  ].join('\n');
}

/** Puts text where other programs find it, and says so in `said`; where that is not allowed it says that. */
export async function copyText(text, said) {
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = t('shared.copied');
  } catch {
    said.textContent = t('search.not-copied', { text });
  }
}

/** Prepares the dialog; its `open(asked, key)` shows a question, with a key where one is needed. */
export function copyDialog() {
  const dialog = byId('copy-dialog');
  const text = byId('copy-text');
  let asking = null;
  let withKey = false;
  const draw = () => {
    text.textContent = FORMS[dialog.querySelector('input:checked').value](asking, withKey);
    byId('copy-said').textContent = '';
  };
  dialog.addEventListener('change', draw);
  byId('copy-do').addEventListener('click', () => copyText(text.textContent, byId('copy-said')));
  byId('copy-close').addEventListener('click', () => dialog.close());
  return {
    async open(asked, key) {
      asking = await asRequest(asked, half(asked), { pictureOf: async () => PLACE_OF_PICTURE });
      withKey = key;
      draw();
      dialog.showModal();
    },
  };
}
