"""onnxruntime as the peer of benches/encoders.rs: same weights, one thread, requests on standard input.

    python3 onnx_encoders.py VENV MODELS

creates the virtual environment VENV on the first run (onnx, onnxruntime and numpy from the package index), builds both
networks with onnx.helper from the safetensors in MODELS, then responds to each line of JSON

    {"op": "picture", "path": FILE, "repeats": N}       FILE: 224 × 224 × 3 bytes
    {"op": "sentences", "words": [[…], …], "repeats": N}  all of equal length, each word a token of the vocabulary

with {"features": [[…], …], "wall": SECONDS, "cpu": SECONDS}, the times of all repeats in total. Preprocessing
(resizing, normalizing, tokenizing) is not included in these times, but it is in those of diptych.
"""

import json
import os
import struct
import sys
import time

from peer_venv import enter

PACKAGES = ["numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.32.0"]
venv, models = sys.argv[1:3]
enter(venv, PACKAGES)

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        table = json.loads(file.read(length))
        data = file.read()
    kinds = {"F32": np.float32, "I64": np.int64}
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], kinds[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in table.items()
        if name != "__metadata__"
    }


class Graph:
    """Nodes in order. Each method call adds a node and returns the name of its output."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], {}

    def constant(self, value, name=None):
        name = name or f"constant{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def weight(self, name):
        return self.constant(self.weights[name], name)

    def __getattr__(self, kind):
        def add(*inputs, **attributes):
            output = f"{kind}{len(self.nodes)}"
            self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
            return output

        return add

    def session(self, inputs, output, shape):
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "peer", inputs, [result], list(self.constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.checker.check_model(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def efficientnet_lite0():
    graph = Graph(safetensors(os.path.join(models, "efficientnet-lite0", "model.safetensors")))
    six, zero = graph.constant(np.float32(6)), graph.constant(np.float32(0))

    def convolution(x, name, norm, stride=1, depthwise=False, relu6=True):
        weight = graph.weights[f"{name}.weight"]
        groups = weight.shape[0] if depthwise else 1
        x = graph.Conv(
            x, graph.weight(f"{name}.weight"), auto_pad="SAME_UPPER", strides=[stride, stride], group=groups,
            kernel_shape=list(weight.shape[2:]),
        )
        parts = [graph.weight(f"{norm}.{part}") for part in ["weight", "bias", "running_mean", "running_var"]]
        x = graph.BatchNormalization(x, *parts, epsilon=1e-3)
        return graph.Clip(x, zero, six) if relu6 else x

    x = convolution("pixels", "_conv_stem", "_bn0", stride=2)
    strides = {1: 2, 3: 2, 5: 2, 11: 2}
    for block in range(16):
        name, before = f"_blocks.{block}", x
        if block:
            x = convolution(x, f"{name}._expand_conv", f"{name}._bn0")
        x = convolution(x, f"{name}._depthwise_conv", f"{name}._bn1", strides.get(block, 1), depthwise=True)
        x = convolution(x, f"{name}._project_conv", f"{name}._bn2", relu6=False)
        channels = lambda part: graph.weights[f"{name}.{part}.weight"].shape
        if block and block not in strides and channels("_expand_conv")[1] == channels("_project_conv")[0]:
            x = graph.Add(x, before)
    x = convolution(x, "_conv_head", "_bn1")
    x = graph.Flatten(graph.GlobalAveragePool(x))
    return graph.session([helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, 224, 224])], x, [1, 1280])


def minilm():
    home = os.path.join(models, "all-minilm-l6-v2")
    graph = Graph(safetensors(os.path.join(home, "model.safetensors")))
    heads, width = 12, 384
    shape = graph.constant(np.array([0, 0, heads, width // heads]))
    flat = graph.constant(np.array([0, 0, width]))
    scale = graph.constant(np.float32((width // heads) ** 0.5))

    def linear(x, name):
        weight = graph.constant(graph.weights[f"{name}.weight"].T, f"{name}.weight")
        return graph.Add(graph.MatMul(x, weight), graph.weight(f"{name}.bias"))

    def norm(x, name):
        parts = [graph.weight(f"{name}.{part}") for part in ["weight", "bias"]]
        return graph.LayerNormalization(x, *parts, axis=-1, epsilon=1e-12)

    words = graph.Gather(graph.weight("embeddings.word_embeddings.weight"), "ids")
    kinds = graph.constant(graph.weights["embeddings.token_type_embeddings.weight"][0])
    places = graph.Gather(graph.weight("embeddings.position_embeddings.weight"), "positions")
    x = norm(graph.Add(graph.Add(words, kinds), places), "embeddings.LayerNorm")
    for layer in range(6):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            graph.Transpose(graph.Reshape(linear(x, f"{name}.attention.self.{part}"), shape), perm=perm)
            for part, perm in [("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])]
        )
        attention = graph.Softmax(graph.Div(graph.MatMul(query, key), scale), axis=-1)
        attention = graph.Reshape(graph.Transpose(graph.MatMul(attention, value), perm=[0, 2, 1, 3]), flat)
        attention = linear(attention, f"{name}.attention.output.dense")
        x = norm(graph.Add(attention, x), f"{name}.attention.output.LayerNorm")
        inner = graph.Gelu(linear(x, f"{name}.intermediate.dense"))
        x = norm(graph.Add(linear(inner, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")
    x = graph.LpNormalization(graph.ReduceMean(x, graph.constant(np.array([1])), keepdims=0), axis=-1, p=2)
    integers = [("ids", ["batch", "length"]), ("positions", ["length"])]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name, shape in integers]
    session = graph.session(inputs, x, ["batch", width])
    with open(os.path.join(home, "tokenizer.json"), encoding="utf-8") as file:
        return session, json.load(file)["model"]["vocab"]


picture_session = efficientnet_lite0()
sentence_session, vocabulary = minilm()
for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "picture":
        pixels = np.fromfile(request["path"], np.uint8).reshape(1, 224, 224, 3).transpose(0, 3, 1, 2)
        session, feed = picture_session, {"pixels": np.ascontiguousarray((pixels.astype(np.float32) - 127) / 128)}
    else:
        ids = [[vocabulary[w] for w in ["[CLS]", *words, "[SEP]"]] for words in request["words"]]
        session, feed = sentence_session, {"ids": np.array(ids), "positions": np.arange(len(ids[0]))}
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(request["repeats"]):
        (features,) = session.run(None, feed)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"features": features.tolist(), "wall": wall, "cpu": cpu}), flush=True)
