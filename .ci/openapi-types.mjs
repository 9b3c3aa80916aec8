// Writes types/openapi.d.ts, the types of the HTTP API, from the OpenAPI document that the tests compare with the service.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import openapiTS, { astToString } from 'openapi-typescript';

const root = new URL('../', import.meta.url);
const snapshot = await readFile(new URL('tests/it/snapshots/openapi.snap', root), 'utf8');
// insta writes its metadata between two lines of dashes, above the document.
const [, , document] = snapshot.split(/^---$/m);
const openapi = JSON.parse(document);
// Types are found by path and method. Ids would have to be unique, and would only repeat them.
for (const item of Object.values(openapi.paths))
  for (const operation of Object.values(item)) delete operation.operationId;
const types = astToString(await openapiTS(openapi, { emptyObjectsUnknown: true }));
await mkdir(new URL('types/', root), { recursive: true });
await writeFile(new URL('types/openapi.d.ts', root), types);
