// What the pages say, in the reader's language: English, German or Chinese, by what the browser asks for. A page adds its own
// strings with `define`; what a language lacks is said in English.

const LANGUAGES = ['en', 'de', 'zh'];

/** Of the pages: `en`, `de` or `zh`. */
export const language =
  navigator.languages
    .map((wanted) => wanted.toLowerCase().split('-')[0])
    .find((wanted) => LANGUAGES.includes(wanted)) ?? 'en';

const place = LANGUAGES.indexOf(language);
const table = new Map();
const numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 3 });
const plurals = new Intl.PluralRules(language);

/** Adds strings: `{ name: [English, German, Chinese] }`. Each is a text, or `{ one, other }` where it counts `{n}`. */
export function define(strings) {
  for (const [name, said] of Object.entries(strings)) table.set(name, said);
}

/** The string of this name with `{value}`s in their places; numbers are written as the language writes them. */
export function t(name, values = {}) {
  const said = table.get(name);
  let text = said?.[place] ?? said?.[0] ?? name;
  if (typeof text === 'object') text = text[plurals.select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, key) => {
    const value = values[key];
    return typeof value === 'number' ? numbers.format(value) : String(value ?? whole);
  });
}

/** Whether there is a string of this name. */
export const says = (name) => table.has(name);

/** A number as the language writes it. */
export const number = (value, digits) =>
  (digits === undefined
    ? numbers
    : new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits })
  ).format(value);

/** A time of the service as the language writes it. */
export const moment = (text) =>
  text ? new Date(text).toLocaleString(language, { dateStyle: 'medium', timeStyle: 'short' }) : '–';

/** Puts the strings into a document: `data-t` names an element's text, `data-t-label` what it is called, `data-t-hint` what stands in it. */
export function fill(root = document) {
  if (root === document) document.documentElement.lang = language;
  for (const node of root.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll('[data-t-label]')) node.setAttribute('aria-label', t(node.dataset.tLabel));
  for (const node of root.querySelectorAll('[data-t-hint]')) node.placeholder = t(node.dataset.tHint);
}

define({
  retry: ['Try again', 'Nochmals versuchen', '重试'],
  'retry-in': ['Try again in {n} s', 'Nochmals in {n} s', '{n} 秒后重试'],
  cancel: ['Cancel', 'Abbrechen', '取消'],
  close: ['Close', 'Schließen', '关闭'],
  unreachable: ['The service does not answer', 'Der Dienst antwortet nicht', '服务没有响应'],
  'unreachable-why': [
    'It may have been stopped, or the connection is gone. Start it with “diptych serve” and try again.',
    'Er ist angehalten, oder die Verbindung fehlt. Starten Sie ihn mit „diptych serve“ und versuchen Sie es nochmals.',
    '它可能已停止，或连接已断开。用“diptych serve”启动后重试。',
  ],
  unreadable: ['The answer could not be read', 'Die Antwort ist nicht lesbar', '无法读取响应'],
  refused: [
    'The service answered with status {status}',
    'Der Dienst antwortet mit Status {status}',
    '服务返回状态 {status}',
  ],
  'request-id': ['Request {id}', 'Anfrage {id}', '请求 {id}'],
  'key-title': ['This needs a key', 'Dafür braucht es einen Schlüssel', '需要密钥'],
  'key-why': [
    'It is kept until this tab is closed, and sent to this service alone.',
    'Er bleibt, bis dieser Tab geschlossen wird, und geht nur an diesen Dienst.',
    '密钥只保存到关闭此标签页，并且只发送给本服务。',
  ],
  'key-field': ['API key', 'API-Schlüssel', 'API 密钥'],
  'key-use': ['Use this key', 'Diesen Schlüssel nehmen', '使用此密钥'],
  'key-wrong': [
    'This key is unknown, expired or revoked.',
    'Dieser Schlüssel ist unbekannt, abgelaufen oder widerrufen.',
    '此密钥未知、已过期或已撤销。',
  ],
  'key-scope': [
    'This key may not do that: it lacks the scope that is needed.',
    'Dieser Schlüssel darf das nicht: Ihm fehlt die nötige Berechtigung.',
    '此密钥没有所需的权限。',
  ],
});
