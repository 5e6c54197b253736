#!/usr/bin/python3
"""Trains two tiny GPTs for ten AdamW steps with PyTorch and writes their losses to torch_losses.json.

tests/torch_test.cc trains the same models with our engine and compares. Needs Debian's python3-torch:
    tests/golden/torch_losses.py > tests/golden/torch_losses.json
Weights are a function of integers that both sides compute exactly, see `weights`.
"""
import json

import numpy
import torch
import torch.nn.functional as F

EPSILON = float(numpy.float32(1e-5))


def uniform(k, n):
    """n numbers in [-1/2, 1/2): an integer hash of the parameter's rank k among the sorted names and of i."""
    x = (numpy.arange(n, dtype=numpy.uint64) * 2654435761 + k * 40503 + 12345) % 2**32
    x ^= x >> numpy.uint64(16)
    x = x * 2246822519 % 2**32
    x ^= x >> numpy.uint64(13)
    return x.astype(numpy.float64) / 2**32 - 0.5


def shapes(c):
    w, d = c["width"], c["width"] // c["heads"]
    llama = c["llama"]
    s = {"tokens": (c["vocab"], w)}
    if not llama:
        s["positions"] = (c["context"], w)
    if not c["tied"]:
        s["head"] = (c["vocab"], w)

    def norm(name):
        s[name + ".weight"] = (w,)
        if not llama:
            s[name + ".bias"] = (w,)

    def linear(name, i, o):
        s[name + ".weight"] = (o, i)
        if not llama:
            s[name + ".bias"] = (o,)

    for b in range(c["layers"]):
        p = "block.%d." % b
        norm(p + "norm1")
        norm(p + "norm2")
        linear(p + "qkv", w, w + 2 * d * c["kv_heads"])
        linear(p + "project", w, w)
        linear(p + "feed.up", w, c["inner"] * (2 if llama else 1))
        linear(p + "feed.down", c["inner"], w)
    norm("last")
    return s


def weights(c, dtype):
    out = {}
    for k, (name, shape) in enumerate(sorted(shapes(c).items())):
        u = uniform(k, int(numpy.prod(shape)))
        if len(shape) == 2:
            u = u * 0.5
        elif name.endswith("weight"):
            u = 1 + u * 0.5
        out[name] = torch.tensor(u.reshape(shape), dtype=dtype).requires_grad_()
    return out


def forward(c, w, text):
    """Logits of one text."""
    ids, prefix = torch.tensor(text["tokens"]), text["prefix"]
    n, width, h, kv = len(ids), c["width"], c["heads"], c["kv_heads"]
    d = width // h
    place = torch.arange(n)
    if prefix > 0:
        place = torch.where(place >= prefix - 1, place - (prefix - 1), place)

    def norm(x, name):
        if not c["llama"]:
            return F.layer_norm(x, (width,), w[name + ".weight"], w[name + ".bias"], EPSILON)
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + EPSILON) * w[name + ".weight"]

    def linear(x, name):
        return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))

    def rotate(x):  # (heads, n, d)
        rates = float(c["rope_base"]) ** (-2.0 * torch.arange(d // 2, dtype=torch.float64) / d)
        angle = (place[:, None].double() * rates).to(x.dtype)
        a, b = x[..., : d // 2], x[..., d // 2 :]
        return torch.cat((a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()), -1)

    sees = torch.ones(n, n).tril().bool()
    sees[:prefix, :prefix] = True
    x = w["tokens"][ids]
    if not c["llama"]:
        x = x + w["positions"][place]
    for b in range(c["layers"]):
        p = "block.%d." % b
        qkv = linear(norm(x, p + "norm1"), p + "qkv").view(n, h + 2 * kv, d).transpose(0, 1)
        q, k, v = qkv[:h], qkv[h : h + kv], qkv[h + kv :]
        if c["llama"]:
            q, k = rotate(q), rotate(k)
        k, v = k.repeat_interleave(h // kv, 0), v.repeat_interleave(h // kv, 0)
        share = (q @ k.transpose(1, 2) / d**0.5).masked_fill(~sees, float("-inf")).softmax(-1)
        x = x + linear((share @ v).transpose(0, 1).reshape(n, width), p + "project")
        up = linear(norm(x, p + "norm2"), p + "feed.up")
        if c["llama"]:
            up = F.silu(up[:, : c["inner"]]) * up[:, c["inner"] :]
        else:
            up = F.gelu(up, approximate="tanh")
        x = x + linear(up, p + "feed.down")
    return norm(x, "last") @ w["tokens" if c["tied"] else "head"].T


def train(c, texts, dtype):
    w = weights(c, dtype)
    single = lambda v: float(numpy.float32(v))  # our settings are stored in single precision
    groups = [
        {"params": [p for p in w.values() if p.dim() == 2], "weight_decay": single(0.1)},
        {"params": [p for p in w.values() if p.dim() == 1], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=single(3e-3), betas=(single(0.9), single(0.95)), eps=single(1e-8))
    smoothing, losses = single(c["smoothing"]), []
    total = sum(len(t["tokens"]) - max(t["prefix"], 1) for t in texts)
    for _ in range(10):
        loss = 0
        for t in texts:
            begin = max(t["prefix"], 1) - 1
            logits = forward(c, w, t)[begin:-1]
            target = torch.tensor(t["tokens"][begin + 1 :])
            loss = loss + F.cross_entropy(logits, target, reduction="sum", label_smoothing=smoothing) / total
        losses.append(loss.item())
        adam.zero_grad()
        loss.backward()
        length = torch.sqrt(sum((p.grad.double() ** 2).sum() for p in w.values())).item()
        if length > 1:
            for p in w.values():
                p.grad *= 1 / length
        adam.step()
    return losses


def main():
    torch.set_num_threads(1)
    texts = []
    for t in range(6):
        words = [2 + (7 * t + 3 * j * j + j) % 17 for j in range(2 + t % 4)]
        target = [2 + (v + 5) % 17 for v in reversed(words)]
        texts.append({"tokens": words + [0] + target + [1], "prefix": len(words) + 1})
    texts.append({"tokens": [5, 3, 9, 9, 4], "prefix": 0})
    gpt2 = dict(vocab=19, context=16, layers=2, heads=2, kv_heads=2, width=16, inner=40, llama=False, tied=True,
                rope_base=0, smoothing=0.1)
    llama = dict(vocab=19, context=16, layers=2, heads=4, kv_heads=2, width=16, inner=24, llama=True, tied=False,
                 rope_base=100, smoothing=0)
    runs = []
    for name, c in (("gpt2", gpt2), ("llama", llama)):
        runs.append({"name": name, "config": c, "f32": train(c, texts, torch.float32),
                     "f64": train(c, texts, torch.float64)})
    print(json.dumps({"torch": torch.__version__, "texts": texts, "runs": runs}, indent=1))


main()
