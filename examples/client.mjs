// Search by text, search by image and create an item, with Node.js 18 or newer.
//
//   node examples/client.mjs [BASE]    (reads picture.png in the current folder)

import { readFile } from "node:fs/promises";

const base = process.argv[2] ?? "http://127.0.0.1:7700";
const headers = {}; // once keys exist: { authorization: "Bearer dpt_…" }

async function call(method, path, body, type = {}) {
  const response = await fetch(base + path, { method, body, headers: { ...headers, ...type } });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.code}: ${answer.detail}`); // application/problem+json
  return answer;
}

const json = { "content-type": "application/json" };
const query = JSON.stringify({ query: "a bird on a branch", limit: 3 });
for (const { relevance, id, thumbnail_url } of (await call("POST", "/v1/search/text", query, json)).results) {
  console.log(relevance.toFixed(2), "picture", id, base + thumbnail_url);
}

const picture = new Blob([await readFile("picture.png")]);
const similar = await call("POST", "/v1/search/image?limit=3", picture, { "content-type": "image/png" });
for (const { relevance, text } of similar.results) console.log(relevance.toFixed(2), "caption", text);

const form = new FormData();
form.set("image", picture);
form.set("item", JSON.stringify({ captions: ["a red barn"], labels: ["barns"], meta: { year: 1990 } }));
console.log((await call("PUT", "/v1/items/from-javascript", form)).id);
