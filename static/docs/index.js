// The page of the API, drawn from the document that the service makes of its own handlers.

import { byId, make } from '../shared/dom.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

const named = (reference) => reference.split('/').pop();
const anchor = (...parts) =>
  parts
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');

/** A sentence with its `code` set as code. */
const prose = (tag, text, attributes = {}) =>
  make(tag, attributes, ...text.split('`').map((part, at) => (at % 2 ? make('code', { text: part }) : part)));

/** What a schema is called in one line: a type, a list of one, or a link to where it is explained. */
function typeOf(schema) {
  if (!schema) return make('span', { text: 'anything' });
  if (schema.$ref) return make('a', { href: `#${anchor('schema', named(schema.$ref))}`, text: named(schema.$ref) });
  const several = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (several) {
    const node = make('span');
    several.forEach((one, at) => node.append(at ? (schema.allOf ? ' with ' : ' or ') : '', typeOf(one)));
    return node;
  }
  if (schema.enum) return make('span', { text: schema.enum.map((value) => JSON.stringify(value)).join(' or ') });
  const types = [schema.type ?? 'anything'].flat();
  if (types.includes('array')) return make('span', {}, 'list of ', typeOf(schema.items));
  const node = make('span', { text: types.join(' or ') });
  if (schema.format) node.append(` (${schema.format})`);
  return node;
}

/** What a value may be, in words. */
function bounds(schema) {
  const said = [];
  const say = (name, text) => {
    if (schema?.[name] !== undefined) said.push(text(schema[name]));
  };
  say('minimum', (n) => `at least ${n}`);
  say('maximum', (n) => `at most ${n}`);
  say('minLength', (n) => `at least ${n} characters`);
  say('maxLength', (n) => `at most ${n} characters`);
  say('minItems', (n) => `at least ${n} of them`);
  say('maxItems', (n) => `at most ${n} of them`);
  say('default', (value) => `${JSON.stringify(value)} unless said otherwise`);
  return said.join(', ');
}

function table(caption, rows) {
  if (rows.length === 0) return null;
  const body = make('tbody');
  for (const { name, needed, schema, description } of rows) {
    const says = [description, bounds(schema)].filter(Boolean).join(' – ');
    body.append(
      make(
        'tr',
        {},
        make(
          'th',
          { scope: 'row' },
          make('code', { text: name }),
          needed ? make('span', { class: 'needed', text: ' needed' }) : null,
        ),
        make('td', {}, typeOf(schema)),
        prose('td', says),
      ),
    );
  }
  return make('table', {}, make('caption', { text: caption }), body);
}

const fields = (schema) =>
  Object.entries(schema?.properties ?? {}).map(([name, inner]) => ({
    name,
    schema: inner,
    needed: schema.required?.includes(name),
    description: inner.description,
  }));

/** Schemas that an `allOf` joins are shown as one. */
function joined(schema) {
  if (!schema?.allOf) return schema;
  return { ...schema, properties: Object.assign({}, ...schema.allOf.map((part) => part.properties ?? {})) };
}

function operation(path, method, spec) {
  const id = anchor(method, path);
  const scopes = (spec.security ?? []).flatMap((one) => Object.values(one)).flat();
  const node = make(
    'section',
    { id, class: 'operation', 'data-testid': 'operation' },
    make(
      'h3',
      {},
      make('span', { class: `verb ${method}`, text: method.toUpperCase() }),
      ' ',
      make('code', { text: path }),
    ),
    make('p', { class: 'summary', text: spec.summary }),
    spec.description ? prose('p', spec.description) : null,
    make('p', { class: 'scope', text: scopes.length ? `Scope: ${scopes.join(', ')}` : 'Open to everyone' }),
  );
  const parameters = (spec.parameters ?? []).map((one) => {
    const schema = one.schema ?? Object.values(one.content ?? {})[0]?.schema;
    const description = [one.in === 'header' ? 'A header.' : '', one.content ? 'JSON.' : '', one.description]
      .filter(Boolean)
      .join(' ');
    return { name: one.name, needed: one.required, schema, description };
  });
  node.append(...[table('Parameters', parameters)].filter(Boolean));
  for (const [type, content] of Object.entries(spec.requestBody?.content ?? {})) {
    node.append(make('p', { class: 'body' }, 'Body ', make('code', { text: type }), ': ', typeOf(content.schema)));
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
        content ? ': ' : '',
        content ? typeOf(content.schema) : '',
      ),
    );
  }
  return node;
}

function schema(name, spec) {
  const whole = joined(spec);
  const node = make(
    'section',
    { id: anchor('schema', name), class: 'schema' },
    make('h3', {}, make('code', { text: name })),
    spec.description ? prose('p', spec.description) : null,
  );
  const rows = table('Fields', fields(whole));
  node.append(rows ?? make('p', {}, typeOf(spec)));
  return node;
}

function errors(rows) {
  const body = make('tbody');
  for (const { code, status, title } of rows) {
    body.append(
      make(
        'tr',
        { id: anchor('problem', code) },
        make('th', { scope: 'row' }, make('code', { text: code })),
        make('td', { text: String(status) }),
        make('td', { text: title }),
      ),
    );
  }
  return make(
    'section',
    { id: 'errors' },
    make('h2', { text: 'What can go wrong' }),
    make('p', {
      text: 'Every error is application/problem+json (RFC 9457). The code is stable; the detail says what was found, where, and what is allowed.',
    }),
    make('table', {}, make('caption', { text: 'Codes' }), body),
  );
}

function draw(spec) {
  const [contents, page] = [byId('contents'), byId('operations')];
  for (const tag of spec.tags) {
    const list = make('ul');
    const group = make(
      'section',
      { id: anchor('tag', tag.name) },
      make('h2', { text: tag.name }),
      prose('p', tag.description),
    );
    for (const [path, item] of Object.entries(spec.paths)) {
      for (const method of METHODS.filter((one) => item[one]?.tags?.includes(tag.name))) {
        group.append(operation(path, method, item[method]));
        list.append(
          make(
            'li',
            {},
            make(
              'a',
              { href: `#${anchor(method, path)}` },
              make('span', { class: 'verb', text: method.toUpperCase() }),
              ` ${path}`,
            ),
          ),
        );
      }
    }
    contents.append(make('h2', {}, make('a', { href: `#${anchor('tag', tag.name)}`, text: tag.name })), list);
    page.append(group);
  }
  page.append(errors(spec['x-errors']));
  const schemas = make('section', { id: 'schemas' }, make('h2', { text: 'Schemas' }));
  for (const [name, one] of Object.entries(spec.components.schemas)) schemas.append(schema(name, one));
  page.append(schemas);
  contents.append(
    make('h2', {}, make('a', { href: '#errors', text: 'What can go wrong' })),
    make('h2', {}, make('a', { href: '#schemas', text: 'Schemas' })),
  );
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

try {
  const answer = await fetch('/openapi.json');
  if (!answer.ok) throw new Error(`the service answered ${answer.status}`);
  draw(await answer.json());
} catch (error) {
  byId('status').textContent = `The document could not be read: ${error.message}. Reload to try again.`;
}
