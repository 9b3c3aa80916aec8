"""PyTorch as the peer of benches/training.rs: the network and loss of the authors' code, with Adam.

    python3 torch_dscmr.py VENV THREADS

creates the virtual environment VENV on the first run (torch and numpy from the package index, some gigabytes), then
responds to each line of JSON with one line of JSON:

    {"op": "data", "pairs": N, "image": D, "text": D, "classes": C, "hidden": H, "dims": Z, "batch": B, "fused": false}
    {"op": "epoch"}

The first generates random features of that shape and builds the network. The second runs one epoch over all pairs in
random order and responds with {"wall": SECONDS, "cpu": SECONDS, "loss": MEAN}.
"""

import json
import sys
import time

from peer_venv import enter

PACKAGES = ["numpy==2.4.6", "torch==2.15.0"]
venv, threads = sys.argv[1:3]
enter(venv, PACKAGES, threads)

import torch
from torch import nn

torch.set_num_threads(int(threads))
torch.manual_seed(0)


class Network(nn.Module):
    def __init__(self, image, text, hidden, dims, classes):
        super().__init__()
        self.image, self.text = nn.Linear(image, hidden), nn.Linear(text, hidden)
        self.shared, self.labels = nn.Linear(hidden, dims), nn.Linear(dims, classes)

    def forward(self, images, texts):
        u, v = self.shared(torch.relu(self.image(images))), self.shared(torch.relu(self.text(texts)))
        return u, v, self.labels(u), self.labels(v)


def row_norms(x):
    return (x**2).sum(1).sqrt().mean()


def half_cosines(a, b):
    lengths = (a**2).sum(1, keepdim=True).sqrt() @ (b**2).sum(1, keepdim=True).sqrt().t()
    return a @ b.t() / lengths / 2


def likelihood(theta, shared):
    return ((1 + theta.exp()).log() - shared * theta).mean()


def loss_of(u, v, u_labels, v_labels, y, weight2=1e-3, weight3=1e-1):
    first = row_norms(u_labels - y) + row_norms(v_labels - y)
    shared = (y @ y.t() > 0).float()
    second = sum(likelihood(half_cosines(a, b), shared) for a, b in [(u, v), (u, u), (v, v)])
    return first + weight2 * second + weight3 * row_norms(u - v)


class Training:
    def __init__(self, pairs, image, text, classes, hidden, dims, batch, fused, **_):
        self.images, self.texts = torch.randn(pairs, image), torch.randn(pairs, text)
        self.y = torch.eye(classes)[torch.arange(pairs) % classes]
        self.batch = batch
        self.network = Network(image, text, hidden, dims, classes)
        self.adam = torch.optim.Adam(self.network.parameters(), lr=1e-4, betas=(0.5, 0.999), fused=fused)

    def epoch(self):
        total = 0.0
        for rows in torch.randperm(len(self.y)).split(self.batch):
            y = self.y[rows]
            self.adam.zero_grad()
            loss = loss_of(*self.network(self.images[rows], self.texts[rows]), y)
            loss.backward()
            self.adam.step()
            total += loss.item() * len(rows)
        return total / len(self.y)


training = None
for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "data":
        training = Training(**request)
        answer = {}
    else:
        wall, cpu = time.perf_counter(), time.process_time()
        loss = training.epoch()
        answer = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "loss": loss}
    print(json.dumps(answer), flush=True)
