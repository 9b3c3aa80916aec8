// @ts-check
// The strings of the pages in English, German or Chinese, whichever of them the browser prefers.

/** @typedef {string | { one?: string, other: string }} Message */

const LANGUAGES = ['en', 'de', 'zh'];

/** Language of the page: `en`, `de` or `zh`. */
export const language =
  navigator.languages
    .map((preferred) => preferred.toLowerCase().split('-')[0])
    .find((preferred) => LANGUAGES.includes(preferred)) ?? 'en';

// Modules that import this one run after the strings are there, so that no page ever shows a key.
const messages = await loadMessages();
const numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 3 });
const plurals = new Intl.PluralRules(language);

/** @returns {Promise<Record<string, Message>>} */
async function loadMessages() {
  try {
    const response = await fetch(`/static/locales/${language}.json`);
    if (!response.ok) throw new Error(`status ${response.status}`);
    return await response.json();
  } catch (error) {
    // A page that shows keys can still be used.
    console.error('The strings could not be loaded:', error);
    return {};
  }
}

/**
 * The message of a key, with `{name}` replaced by `values.name`. Numbers are formatted; `values.n` selects the plural
 * form.
 *
 * @param {string} key
 * @param {Record<string, string | number | null | undefined>} [values]
 */
export function t(key, values = {}) {
  const message = messages[key] ?? key;
  const text =
    typeof message === 'string'
      ? message
      : ((plurals.select(Number(values.n)) === 'one' ? message.one : undefined) ?? message.other);
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => {
    const value = values[name];
    return typeof value === 'number' ? formatNumber(value) : String(value ?? placeholder);
  });
}

/**
 * Whether a key has a message.
 *
 * @param {string} key
 */
export const hasMessage = (key) => key in messages;

/**
 * A number in the notation of the page's language, with exactly `digits` decimals if given, else with at most three.
 *
 * @param {number} value
 * @param {number} [digits]
 */
export function formatNumber(value, digits) {
  if (digits === undefined) return numbers.format(value);
  return value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/**
 * A timestamp of the service in the notation of the page's language.
 *
 * @param {string | null | undefined} timestamp
 */
export function formatTime(timestamp) {
  if (!timestamp) return '–';
  return new Date(timestamp).toLocaleString(language, { dateStyle: 'medium', timeStyle: 'short' });
}

/** Translates the document: `data-t` holds the key of an element's text, `data-t-label` that of its `aria-label`. */
export function translatePage() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.getAttribute('data-t') ?? '');
  for (const node of document.querySelectorAll('[data-t-label]')) {
    node.setAttribute('aria-label', t(node.getAttribute('data-t-label') ?? ''));
  }
}
