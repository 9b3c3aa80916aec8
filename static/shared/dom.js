// @ts-check
// Helpers for building the pages. Text of the collection enters a page only through `textContent` and attributes, so
// that markup in a caption or a file name remains text.

/** @typedef {Record<string, string | number | boolean | null | undefined>} Attributes */
/** @typedef {Node | string | null | undefined} Child */

/**
 * The element with this id. Throws if there is none, or if it is not of this type.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {{ new (): T }} [type]
 * @returns {T}
 */
export function byId(id, type) {
  const node = document.getElementById(id);
  if (!(node instanceof (type ?? HTMLElement))) throw new Error(`the page lacks #${id}`);
  return /** @type {T} */ (node);
}

/**
 * Creates an element. `text` becomes its text and `share` the CSS variable that bars are drawn from; everything else
 * becomes an attribute, unless it is null, undefined or false.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'text') node.textContent = String(value);
    else if (name === 'share') node.style.setProperty('--share', String(value));
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

/**
 * A button that runs `onClick`.
 *
 * @param {Attributes} attributes
 * @param {(event: MouseEvent) => unknown} onClick
 */
export function button(attributes, onClick) {
  const node = make('button', { type: 'button', ...attributes });
  node.addEventListener('click', onClick);
  return node;
}

/**
 * The value that the service returns as 0.943, as `94 %`. Shares that would round to zero are shown as `<1 %`.
 *
 * @param {number} share
 */
export function percent(share) {
  const clamped = Math.min(1, Math.max(0, share));
  if (clamped > 0 && clamped < 0.005) return '<1\u00a0%';
  return `${Math.round(clamped * 100)}\u00a0%`;
}

/**
 * Path of an item, or of a part of it such as `/image`.
 *
 * @param {string} id
 * @param {string} [part]
 */
export const itemUrl = (id, part = '') => `/v1/items/${encodeURIComponent(id)}${part}`;
