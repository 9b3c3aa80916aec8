"""Search by text, search by image and create an item, with Python and `requests`.

    python3 examples/client.py [BASE]    (reads picture.png in the current folder)
"""

import json
import sys

import requests

base = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7700"
session = requests.Session()
# Once keys exist: session.headers["Authorization"] = "Bearer dpt_…"


def call(method, path, **request):
    response = session.request(method, base + path, timeout=30, **request)
    if not response.ok:  # application/problem+json: a stable code and a sentence
        raise SystemExit(f"{response.json()['code']}: {response.json()['detail']}")
    return response.json()


query = {"query": "a bird on a branch", "limit": 3}
for result in call("POST", "/v1/search/text", json=query)["results"]:
    print(f"{result['relevance']:.2f} picture {result['id']} {base}{result['thumbnail_url']}")

with open("picture.png", "rb") as file:
    picture = file.read()
params = {"params": json.dumps({"limit": 3})}
for result in call("POST", "/v1/search/image", files={"image": picture}, data=params)["results"]:
    print(f"{result['relevance']:.2f} caption {result['text']}")

item = {"captions": ["a red barn"], "labels": ["barns"], "meta": {"year": 1990}}
print(call("PUT", "/v1/items/from-python", files={"image": picture}, data={"item": json.dumps(item)})["id"])
