// @ts-check
// The page of the HTTP API, drawn from the OpenAPI document of the service.

/** @import { Alternative, Field, Schema, Schemas } from './schema.js' */
/** @import { Attributes } from '../shared/dom.js' */

/**
 * @typedef {{ schema?: Schema, example?: unknown, examples?: Record<string, { value?: unknown }> }} MediaType
 * @typedef {{ name: string, in: string, required?: boolean, description?: string, schema?: Schema,
 *   content?: Record<string, MediaType> }} Parameter
 * @typedef {{ $ref?: string, description?: string, content?: Record<string, MediaType> }} Response
 * @typedef {object} Operation
 * @property {string[]} tags
 * @property {string} summary
 * @property {string} [description]
 * @property {Record<string, string[]>[]} [security]
 * @property {Parameter[]} [parameters]
 * @property {{ content: Record<string, MediaType>, required?: boolean }} [requestBody]
 * @property {Record<string, Response>} [responses]
 * @typedef {{ code: string, status: number, title: string }} ErrorCode
 * @typedef {object} Document
 * @property {{ name: string, description: string }[]} tags
 * @property {Record<string, Record<string, Operation>>} paths
 * @property {{ schemas: Schemas }} components
 * @property {ErrorCode[]} x-errors
 */

import { byId, make } from '../shared/dom.js';
import { alternativesOf, descriptionOf, exampleOf, isNullable, nameOf, shapeOf } from './schema.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

/** @param {...string} parts */
const anchor = (...parts) =>
  parts
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');

/**
 * A text in which `code` is set as code.
 *
 * @param {'p' | 'td' | 'caption'} tag
 * @param {string} text
 * @param {Attributes} [attributes]
 */
const prose = (tag, text, attributes = {}) =>
  make(tag, attributes, ...text.split('`').map((part, at) => (at % 2 ? make('code', { text: part }) : part)));

/**
 * @param {unknown} min
 * @param {unknown} max
 * @param {string} unit
 */
function range(min, max, unit) {
  if (min === undefined && max === undefined) return '';
  if (max === undefined) return `at least ${min}${unit}`;
  if (min === undefined) return `at most ${max}${unit}`;
  return `${min} to ${max}${unit}`;
}

/** @param {string} name */
const schemaLink = (name) => make('a', { href: `#${anchor('schema', name)}`, text: name });

/**
 * The type of a schema in one line.
 *
 * @param {Schema | undefined} schema
 * @returns {HTMLElement}
 */
function typeOf(schema) {
  if (!schema) return make('span', { text: 'anything' });
  if (schema.$ref) return schemaLink(nameOf(schema.$ref));
  const node = make('span');
  const several = schema.allOf ?? alternativesOf(schema);
  if (several.length) {
    const types = several.map(typeOf);
    const distinct = types.filter(
      ({ textContent }, at) => types.findIndex((one) => one.textContent === textContent) === at,
    );
    distinct.forEach((type, at) => node.append(at ? (schema.allOf ? ' and ' : ' or ') : '', type));
  } else if (schema.enum) {
    node.append(schema.enum.map((value) => JSON.stringify(value)).join(' or '));
  } else if ([schema.type].flat().includes('array')) {
    node.append('list of ', typeOf(schema.items));
  } else if (typeof schema.additionalProperties === 'object') {
    node.append('object of ', typeOf(schema.additionalProperties));
  } else {
    const types = [schema.type ?? 'anything'].flat().filter((type) => type !== 'null');
    node.append(types.join(' or '), schema.format ? ` (${schema.format})` : '');
  }
  if (isNullable(schema)) node.append(' or null');
  return node;
}

/**
 * The limits of a value.
 *
 * @param {Schema | undefined} schema
 */
function limits(schema = {}) {
  const parts = [
    range(schema.minimum, schema.maximum, ''),
    range(schema.minLength, schema.maxLength, ' characters'),
    range(schema.minItems, schema.maxItems, ' entries'),
    schema.pattern === undefined ? '' : `matches \`${schema.pattern}\``,
    schema.default === undefined ? '' : `default \`${JSON.stringify(schema.default)}\``,
  ];
  return parts.filter(Boolean).join(', ');
}

/**
 * @param {string} caption
 * @param {(Omit<Field, 'schema'> & { schema: Schema | undefined })[]} rows
 */
function fieldTable(caption, rows) {
  const body = make('tbody');
  for (const { path, isRequired, schema, description } of rows) {
    const text = [description, limits(schema)].filter(Boolean).join(' – ');
    body.append(
      make(
        'tr',
        {},
        make(
          'th',
          { scope: 'row' },
          make('code', { text: path }),
          isRequired ? make('span', { class: 'required', text: ' required' }) : null,
        ),
        make('td', {}, typeOf(schema)),
        prose('td', text),
      ),
    );
  }
  return make('table', {}, prose('caption', caption), body);
}

/**
 * Tables of all fields of a schema.
 *
 * @param {Schema} schema
 * @param {Schemas} schemas
 * @returns {HTMLElement[]}
 */
function fieldTables(schema, schemas) {
  const { fields, alternatives } = shapeOf(schema, schemas);
  const own = fields.length ? [fieldTable('Fields', fields)] : [];
  return [...own, ...alternativeTables(alternatives)];
}

/**
 * @param {Alternative[]} alternatives
 * @returns {HTMLElement[]}
 */
const alternativeTables = (alternatives) =>
  alternatives.flatMap(({ name, description, fields, alternatives: inner }) => [
    fieldTable(`Either ${name}${description ? ` – ${description}` : ''}`, fields),
    ...alternativeTables(inner),
  ]);

/**
 * A body: its type, all of its fields, and for requests an example.
 *
 * @param {MediaType} content
 * @param {Schemas} schemas
 * @param {boolean} hasExample
 * @returns {HTMLElement[]}
 */
function bodyDetails({ schema, example, examples }, schemas, hasExample) {
  if (!schema) return [];
  const parts = [];
  const tables = fieldTables(schema, schemas);
  if (hasExample) {
    const value = example ?? Object.values(examples ?? {})[0]?.value ?? exampleOf(schema, schemas);
    const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2);
    parts.push(
      make('p', { class: 'example-title', text: 'Example' }),
      make('pre', { class: 'example', tabindex: '0', 'data-testid': 'example', text }),
    );
  }
  if (tables.length) parts.push(make('details', {}, make('summary', { text: 'All fields' }), ...tables));
  return parts;
}

/**
 * @param {string} path
 * @param {string} method
 * @param {Operation} spec
 * @param {Schemas} schemas
 */
function operation(path, method, spec, schemas) {
  const scopes = (spec.security ?? []).flatMap((one) => Object.values(one)).flat();
  const node = make(
    'section',
    { id: anchor(method, path), class: 'operation', 'data-testid': 'operation' },
    make(
      'h3',
      {},
      make('span', { class: `verb ${method}`, text: method.toUpperCase() }),
      ' ',
      make('code', { text: path }),
    ),
    make('p', { class: 'summary', text: spec.summary }),
    spec.description ? prose('p', spec.description) : null,
    make('p', { class: 'scope', text: scopes.length ? `Scope: ${scopes.join(', ')}` : 'No key required' }),
  );
  const parameters = (spec.parameters ?? []).map((one) => {
    const schema = one.schema ?? Object.values(one.content ?? {})[0]?.schema;
    const kind = { header: 'Header.', path: 'In the path.' }[one.in];
    const description = [kind, one.content ? 'JSON.' : '', one.description].filter(Boolean).join(' ');
    return { path: one.name, isRequired: one.required ?? false, schema, description };
  });
  if (parameters.length) node.append(fieldTable('Parameters', parameters));
  for (const [type, content] of Object.entries(spec.requestBody?.content ?? {})) {
    const isText = /json|text/.test(type);
    node.append(
      make('p', { class: 'body' }, 'Body ', make('code', { text: type }), ': ', typeOf(content.schema)),
      ...bodyDetails(content, schemas, isText),
    );
  }
  for (const [status, response] of Object.entries(spec.responses ?? {})) {
    if (response.$ref) continue;
    const content = Object.values(response.content ?? {})[0];
    node.append(
      make(
        'p',
        { class: 'response' },
        make('strong', { text: status }),
        ` ${response.description}`,
        ...(content ? [': ', typeOf(content.schema)] : []),
      ),
      ...(content ? bodyDetails(content, schemas, false) : []),
    );
  }
  return node;
}

/**
 * @param {string} name
 * @param {Schemas} schemas
 */
function schemaSection(name, schemas) {
  const schema = schemas[name];
  const description = descriptionOf(schema, schemas);
  const tables = fieldTables({ $ref: `#/components/schemas/${name}` }, schemas);
  const type = tables.length ? null : make('p', { class: 'type' }, typeOf(schema));
  return make(
    'section',
    { id: anchor('schema', name), class: 'schema', 'data-testid': 'schema' },
    make('h3', {}, make('code', { text: name })),
    description ? prose('p', description) : null,
    type,
    ...tables,
  );
}

/** @param {ErrorCode[]} codes */
function errorSection(codes) {
  const rows = codes.map(({ code, status, title }) =>
    make(
      'tr',
      { id: anchor('problem', code) },
      make('th', { scope: 'row' }, make('a', { href: `/problems/${code}` }, make('code', { text: code }))),
      make('td', { text: String(status) }),
      make('td', { text: title }),
    ),
  );
  return make(
    'section',
    { id: 'errors' },
    make('h2', { text: 'Errors' }),
    make('p', {
      text:
        'Every error is an application/problem+json document (RFC 9457). Its code is stable; ' +
        'its detail says what was found, where, and what is allowed. Each code has a page that says what to do.',
    }),
    make('table', {}, make('caption', { text: 'Codes' }), make('tbody', {}, ...rows)),
  );
}

/** @param {Document} spec */
function draw(spec) {
  const [contents, page] = [byId('contents'), byId('operations')];
  const { schemas } = spec.components;
  for (const tag of spec.tags) {
    const list = make('ul');
    const group = make(
      'section',
      { id: anchor('tag', tag.name) },
      make('h2', { text: tag.name }),
      prose('p', tag.description),
    );
    for (const [path, item] of Object.entries(spec.paths)) {
      for (const method of METHODS.filter((one) => item[one]?.tags.includes(tag.name))) {
        group.append(operation(path, method, item[method], schemas));
        const verb = make('span', { class: 'verb', text: method.toUpperCase() });
        list.append(make('li', {}, make('a', { href: `#${anchor(method, path)}` }, verb, ` ${path}`)));
      }
    }
    contents.append(heading(`#${anchor('tag', tag.name)}`, tag.name), list);
    page.append(group);
  }
  const sections = Object.keys(schemas).map((name) => schemaSection(name, schemas));
  page.append(
    errorSection(spec['x-errors']),
    make('section', { id: 'schemas' }, make('h2', { text: 'Schemas' }), ...sections),
  );
  contents.append(heading('#errors', 'Errors'), heading('#schemas', 'Schemas'));
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

/**
 * @param {string} href
 * @param {string} text
 */
const heading = (href, text) => make('h2', {}, make('a', { href, text }));

try {
  const response = await fetch('/openapi.json');
  if (!response.ok) throw new Error(`the service returned status ${response.status}`);
  draw(await response.json());
} catch (error) {
  const detail = error instanceof Error ? error.message : String(error);
  byId('status').textContent = `The OpenAPI document could not be loaded: ${detail}. Reload the page to try again.`;
}
