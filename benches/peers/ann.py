"""hnswlib, faiss and usearch as peers of benches/index: same points, one thread, requests on standard input.

    python3 ann.py VENV

creates the virtual environment VENV on the first run (from the package index; hnswlib is compiled for this processor),
then responds to each line of JSON with one line of JSON. Files are rows of little-endian f32.

    {"op": "build", "name": NAME, "base": FILE, "dims": D, "links": M, "ef": EF}   {"cpu": SECONDS, "bytes": FILE SIZE}
    {"op": "search", "name": NAME, "queries": FILE, "ef": EF, "passes": N}         {"cpu": SECONDS, "keys": [[…], …]}
    {"op": "product", "base": FILE, "queries": FILE, "dims": D}                    {"cpu": SECONDS}
"""

import json
import os
import sys
import tempfile
import time

from peer_venv import enter

PACKAGES = ["numpy==2.4.6", "hnswlib==0.8.0", "faiss-cpu==1.15.1", "usearch==2.26.6"]
venv = sys.argv[1]
enter(venv, PACKAGES)

import faiss
import hnswlib
import numpy as np
from usearch.index import Index

faiss.omp_set_num_threads(1)


class Hnswlib:
    def __init__(self, base, links, ef):
        self.index = hnswlib.Index("ip", base.shape[1])
        self.index.init_index(len(base), M=links, ef_construction=ef)
        self.index.set_num_threads(1)
        self.index.add_items(base)

    def search(self, queries, ef):
        self.index.set_ef(ef)
        return self.index.knn_query(queries, 10)[0]

    def save(self, path):
        self.index.save_index(path)


class Faiss:
    def __init__(self, base, links, ef):
        self.index = faiss.IndexHNSWFlat(base.shape[1], links, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = ef
        self.index.add(base)

    def search(self, queries, ef):
        self.index.hnsw.efSearch = ef
        return self.index.search(queries, 10)[1]

    def save(self, path):
        faiss.write_index(self.index, path)


class Usearch:
    def __init__(self, base, links, ef):
        self.index = Index(
            ndim=base.shape[1], metric="ip", dtype="f32", connectivity=links, expansion_add=ef, expansion_search=ef
        )
        self.index.add(np.arange(len(base)), base, threads=1)

    def search(self, queries, ef):
        self.index.expansion_search = ef
        return self.index.search(queries, 10, threads=1).keys

    def save(self, path):
        self.index.save(path)


KINDS = {"hnswlib": Hnswlib, "faiss": Faiss, "usearch": Usearch}
built = {}


def rows(path, dims):
    return np.fromfile(path, "<f4").reshape(-1, dims)


def build(request):
    base = rows(request["base"], request["dims"])
    before = time.process_time()
    engine = KINDS[request["name"]](base, request["links"], request["ef"])
    cpu = time.process_time() - before
    built[request["name"]] = engine, request["dims"]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "index")
        engine.save(path)
        return {"cpu": cpu, "bytes": os.path.getsize(path)}


def search(request):
    engine, dims = built[request["name"]]
    queries = rows(request["queries"], dims)
    keys = engine.search(queries, request["ef"])
    before = time.process_time()
    for _ in range(request["passes"]):
        engine.search(queries, request["ef"])
    return {"cpu": time.process_time() - before, "keys": np.maximum(np.asarray(keys, np.int64), 0).tolist()}


def product(request):
    base, queries = rows(request["base"], request["dims"]), rows(request["queries"], request["dims"])
    out = np.empty((len(queries), len(base)), np.float32)
    before = time.process_time()
    np.matmul(queries, base.T, out=out)
    return {"cpu": time.process_time() - before}


for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"build": build, "search": search, "product": product}[request["op"]](request)), flush=True)
