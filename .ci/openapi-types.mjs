// Writes types/openapi.d.ts, the types of the HTTP API, from the OpenAPI document that the tests compare with the service.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import openapiTS, { astToString } from 'openapi-typescript';

const root = new URL('../', import.meta.url);
const snapshot = await readFile(new URL('tests/it/snapshots/openapi.snap', root), 'utf8');
// insta writes its metadata between two lines of dashes, above the document.
const [, , document] = snapshot.split(/^---$/m);
// The pages use the schemas alone.
const types = astToString(await openapiTS({ ...JSON.parse(document), paths: {} }, { emptyObjectsUnknown: true }));
await mkdir(new URL('types/', root), { recursive: true });
await writeFile(new URL('types/openapi.d.ts', root), types);
