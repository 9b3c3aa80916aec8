// @ts-check
// Reading JSON schemas of an OpenAPI document: references, joined and alternative schemas, nested fields, examples.

/**
 * @typedef {object} Schema
 * @property {string} [$ref]
 * @property {string | string[]} [type]
 * @property {string} [format]
 * @property {string} [description]
 * @property {unknown[]} [enum]
 * @property {unknown} [default]
 * @property {unknown} [example]
 * @property {unknown[]} [examples]
 * @property {Record<string, Schema>} [properties]
 * @property {string[]} [required]
 * @property {Schema} [items]
 * @property {Schema | boolean} [additionalProperties]
 * @property {Schema[]} [allOf]
 * @property {Schema[]} [oneOf]
 * @property {Schema[]} [anyOf]
 * @property {string} [pattern]
 * @property {number} [minimum]
 * @property {number} [maximum]
 * @property {number} [minLength]
 * @property {number} [maxLength]
 * @property {number} [minItems]
 * @property {number} [maxItems]
 */

/** @typedef {Record<string, Schema>} Schemas */

/**
 * A field at any depth. `path` is its name with those of the objects around it, such as `steps[].done`.
 *
 * @typedef {{ path: string, schema: Schema, isRequired: boolean, description: string }} Field
 */

/**
 * Fields of an object; if it has alternatives, `alternatives` lists the further fields of each.
 *
 * @typedef {{ fields: Field[], alternatives: Alternative[] }} Shape
 * @typedef {Shape & { name: string, description: string }} Alternative
 */

/** @param {string} reference */
export const nameOf = (reference) => reference.split('/').pop() ?? '';

/**
 * The schema that a reference names. Other keywords beside the reference are kept.
 *
 * @param {Schema} schema
 * @param {Schemas} schemas
 * @returns {Schema}
 */
export function resolve(schema, schemas) {
  if (!schema.$ref) return schema;
  const { $ref, ...others } = schema;
  return { ...resolve(schemas[nameOf($ref)] ?? {}, schemas), ...others };
}

/**
 * A schema without `allOf`: its parts are joined.
 *
 * @param {Schema} schema
 * @param {Schemas} schemas
 * @returns {Schema}
 */
function join(schema, schemas) {
  const { allOf = [], ...own } = resolve(schema, schemas);
  return allOf
    .map((part) => join(part, schemas))
    .reduce(
      (whole, part) => ({
        ...part,
        ...whole,
        properties: { ...whole.properties, ...part.properties },
        required: [...(part.required ?? []), ...(whole.required ?? [])],
        oneOf: part.oneOf || whole.oneOf ? [...(part.oneOf ?? []), ...(whole.oneOf ?? [])] : undefined,
      }),
      own,
    );
}

/** @param {Schema} schema */
const isNull = ({ type }) => type === 'null';

/**
 * Alternatives of a schema, without null.
 *
 * @param {Schema} schema
 */
export const alternativesOf = ({ oneOf, anyOf }) => (oneOf ?? anyOf ?? []).filter((one) => !isNull(one));

/**
 * Whether null is allowed.
 *
 * @param {Schema} schema
 */
export const isNullable = ({ type, oneOf, anyOf }) =>
  [type].flat().includes('null') || (oneOf ?? anyOf ?? []).some(isNull);

/**
 * The description of a schema; if it has none, that of its only alternative.
 *
 * @param {Schema} schema
 * @param {Schemas} schemas
 * @returns {string}
 */
export function descriptionOf(schema, schemas) {
  const whole = resolve(schema, schemas);
  const options = alternativesOf(whole);
  return whole.description ?? (options.length === 1 ? descriptionOf(options[0], schemas) : '');
}

/**
 * All fields of a schema, with those of objects within it. Schemas that contain themselves are followed once.
 *
 * @param {Schema} schema
 * @param {Schemas} schemas
 * @returns {Shape}
 */
export function shapeOf(schema, schemas) {
  return shape(schema, schemas, '', new Set(schema.$ref ? [nameOf(schema.$ref)] : []));
}

/**
 * @param {Schema} schema
 * @param {Schemas} schemas
 * @param {string} prefix
 * @param {Set<string>} seen Names of the schemas around this one.
 * @returns {Shape}
 */
function shape(schema, schemas, prefix, seen) {
  const whole = join(schema, schemas);
  /** @type {Field[]} */
  const fields = [];
  /** @type {Alternative[]} */
  const alternatives = [];

  /** @param {Schema} inner @param {string} path */
  const descend = (inner, path) => {
    if (inner.$ref && seen.has(nameOf(inner.$ref))) return;
    const around = inner.$ref ? new Set([...seen, nameOf(inner.$ref)]) : seen;
    const nested = shape(inner, schemas, path, around);
    fields.push(...nested.fields);
    alternatives.push(...nested.alternatives);
  };

  for (const [name, property] of Object.entries(whole.properties ?? {})) {
    const path = prefix + name;
    const isRequired = whole.required?.includes(name) ?? false;
    fields.push({ path, schema: property, isRequired, description: descriptionOf(property, schemas) });
    descend(property, `${path}.`);
  }
  if (whole.items) descend(whole.items, `${prefix.replace(/\.$/, '')}[].`);
  if (typeof whole.additionalProperties === 'object') descend(whole.additionalProperties, `${prefix}*.`);
  const options = alternativesOf(whole);
  if (options.length === 1) descend(options[0], prefix);
  else {
    options.forEach((option, index) => {
      if (option.$ref && seen.has(nameOf(option.$ref))) return;
      const around = option.$ref ? new Set([...seen, nameOf(option.$ref)]) : seen;
      const inner = shape(option, schemas, prefix, around);
      if (!inner.fields.length && !inner.alternatives.length) return;
      const description = descriptionOf(option, schemas);
      const place = prefix.replace(/\.$/, '');
      const name = option.$ref ? nameOf(option.$ref) : `${index + 1} of ${options.length}`;
      alternatives.push({ ...inner, name: place ? `${place}: ${name}` : name, description });
    });
  }
  return { fields, alternatives };
}

/**
 * A value that a schema allows, taken from its examples or made up: objects have the fields that are required or have
 * an example or a default.
 *
 * @param {Schema} schema
 * @param {Schemas} schemas
 * @param {number} [depth]
 * @returns {unknown}
 */
export function exampleOf(schema, schemas, depth = 0) {
  const whole = join(schema, schemas);
  if (whole.example !== undefined) return whole.example;
  if (whole.examples?.length) return whole.examples[0];
  if (whole.default !== undefined) return whole.default;
  if (whole.enum) return whole.enum[0];
  const [option] = alternativesOf(whole);
  if (option) {
    const value = exampleOf(option, schemas, depth);
    return whole.properties && isObject(value) ? Object.assign(exampleObject(whole, schemas, depth), value) : value;
  }
  const type = [whole.type].flat().find((one) => one !== 'null');
  if (type === 'array') return whole.items && depth < 6 ? [exampleOf(whole.items, schemas, depth + 1)] : [];
  if (type === 'boolean') return true;
  if (type === 'integer' || type === 'number') return whole.minimum ?? 0;
  if (type === 'string') return whole.format === 'date-time' ? '2026-01-31T12:00:00Z' : (whole.format ?? 'text');
  return exampleObject(whole, schemas, depth);
}

/** @param {unknown} value */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * @param {Schema} schema
 * @param {Schemas} schemas
 * @param {number} depth
 */
function exampleObject({ properties = {}, required = [] }, schemas, depth) {
  const entries = Object.entries(properties);
  const isGiven = (/** @type {Schema} */ { example, examples, minItems = 0 }) =>
    example !== undefined || examples !== undefined || minItems > 0;
  const chosen = entries.filter(([name, property]) => required.includes(name) || isGiven(resolve(property, schemas)));
  // An object in which nothing is required shows its first field.
  const shown = chosen.length ? chosen : entries.slice(0, 1);
  return Object.fromEntries(shown.map(([name, property]) => [name, exampleOf(property, schemas, depth + 1)]));
}
