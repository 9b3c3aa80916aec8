// The strings of the pages in English, German or Chinese, whichever of them the browser prefers.

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

async function loadMessages() {
  try {
    const response = await fetch(`/static/locales/${language}.json`);
    if (!response.ok) throw new Error(`the strings were answered with status ${response.status}`);
    return await response.json();
  } catch (error) {
    // A page that shows keys can still be used.
    console.error(error);
    return {};
  }
}

/** The message of a key, with `{name}` replaced by `values.name`. Numbers are formatted; `values.n` selects the plural form. */
export function t(key, values = {}) {
  const message = messages[key] ?? key;
  const text = typeof message === 'string' ? message : (message[plurals.select(values.n)] ?? message.other);
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => {
    const value = values[name];
    return typeof value === 'number' ? numbers.format(value) : String(value ?? placeholder);
  });
}

/** Whether a key has a message. */
export const says = (key) => key in messages;

/** A number in the notation of the page's language, with exactly `digits` decimals if given. */
export const number = (value, digits) =>
  (digits === undefined
    ? numbers
    : new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits })
  ).format(value);

/** A timestamp of the service in the notation of the page's language. */
export const moment = (text) =>
  text ? new Date(text).toLocaleString(language, { dateStyle: 'medium', timeStyle: 'short' }) : '–';

/** Translates the document: `data-t` holds the key of an element's text, `data-t-label` that of its `aria-label`. */
export function fill() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll('[data-t-label]'))
    node.setAttribute('aria-label', t(node.dataset.tLabel));
}
