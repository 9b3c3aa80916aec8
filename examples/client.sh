#!/bin/sh
# Search by text, search by image and create an item, with curl.
#
#   sh examples/client.sh [BASE]    (reads picture.png in the current folder)
#
# Once keys exist, each request needs the header `Authorization: Bearer dpt_…`.
set -eu
base=${1:-http://127.0.0.1:7700}

curl -fsS $base/v1/search/text -H 'content-type: application/json' -d '{"query": "a bird on a branch", "limit": 3}'
curl -fsS "$base/v1/search/image?limit=3" -H 'content-type: image/png' --data-binary @picture.png
curl -fsS -X PUT $base/v1/items/from-curl -F image=@picture.png -F 'item={"captions": ["a red barn"], "labels": ["barns"]}'
