#!/usr/bin/env python3
"""The same training and generation as build/bench, in PyTorch: `make bench` runs both in turn.

    torch_peer.py train|generate --model nano|iwslt|gpt2-64|shakespeare|translate --threads N [--batch B] [--compile]
                  [--bucketed]

As its users would run it: fused attention and AdamW where the release has them; --compile: torch.compile, which is not
timed. A training step: forward, next-token cross-entropy over all B*T tokens, backward, AdamW. Generation: one token at
a time from a key-value cache, drawn at temperature 1. With one thread the time is processor time, as build/bench's.
--bucketed, for `translate`: the pairs that build/bench packs, as one trains on pairs here: sorted into buckets of like
length, padded to its longest, as many to a batch as have build/bench's tokens; only the targets' tokens are scored.
Prints one JSON line; peak_rss_mib includes the imports, start_rss_mib is what they took."""
import argparse
import json
import math
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

MODELS = {  # layers, heads, width, inner, T, B, vocabulary
    "nano": (6, 6, 384, 1536, 256, 8, 8192),
    "iwslt": (6, 8, 512, 2048, 128, 16, 8192),
    "gpt2-64": (12, 12, 768, 3072, 64, 4, 50304),
    "shakespeare": (4, 4, 128, 512, 64, 12, 65),
    "translate": (3, 4, 128, 512, 25, 20, 5000),
}
parser = argparse.ArgumentParser()
parser.add_argument("kind", choices=["train", "generate"])
parser.add_argument("--model", choices=MODELS, default="iwslt")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--steps", type=int, default=8)
parser.add_argument("--warmup", type=int, default=2)
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--new", type=int, default=96)
parser.add_argument("--compile", action="store_true")
parser.add_argument("--bucketed", action="store_true")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(1)
RELEASE = tuple(int(part) for part in torch.__version__.split(".")[:2])
clock = time.process_time if args.threads == 1 else time.perf_counter
LAYERS, HEADS, WIDTH, INNER, LENGTH, TEXTS, VOCAB = MODELS[args.model]
DROPOUT = 0.05 if args.bucketed else 0.0  # build/bench drops here too


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.drop = nn.Dropout(DROPOUT) if DROPOUT else nn.Identity()
        self.register_buffer("hidden", torch.ones(1024, 1024, dtype=torch.bool).triu(1), persistent=False)

    def forward(self, x, cache=None, start=0):
        texts, length, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(texts, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        if cache is not None:
            cache[0][:, :, start:start + length], cache[1][:, :, start:start + length] = k, v
            k, v = cache[0][:, :, :start + length], cache[1][:, :, :start + length]
        if RELEASE >= (2, 0):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=length > 1)
        else:
            scores = q @ k.transpose(-2, -1) / math.sqrt(WIDTH // HEADS)
            if length > 1:
                scores = scores.masked_fill(self.hidden[:length, :length], float("-inf"))
            y = F.softmax(scores, -1) @ v
        y = y.transpose(1, 2).reshape(texts, length, WIDTH)
        x = x + self.drop(self.project(y))
        return x + self.drop(self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh")))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCAB, WIDTH), nn.Embedding(256, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.last = nn.LayerNorm(WIDTH)
        self.drop = nn.Dropout(DROPOUT) if DROPOUT else nn.Identity()
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)

    def forward(self, ids, cache=None, start=0, scored=None):
        x = self.drop(self.tokens(ids) + self.positions.weight[start:start + ids.shape[1]])
        for i, block in enumerate(self.blocks):
            x = block(x, None if cache is None else cache[i], start)
        if scored is not None:
            x = x.reshape(-1, WIDTH)[scored]
        return F.linear(self.last(x), self.tokens.weight)


def rss():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(rates, **more):
    print(json.dumps({"kind": args.kind, "model": args.model, "threads": args.threads,
                      "tokens_per_s": statistics.median(rates),
                      "peak_rss_mib": rss(), "start_rss_mib": start_rss, **more}))


def bucketed():
    """Batches (inputs, targets, places of the scored tokens) of random pairs with build/bench's lengths."""
    random = torch.Generator().manual_seed(1)
    buckets = {}
    for length in torch.randint(LENGTH - 7, LENGTH + 8, (4000,), generator=random).tolist():
        buckets.setdefault(-4 * (-length // 4), []).append(length)
    batches = []
    for longest, lengths in buckets.items():
        texts = round(LENGTH * TEXTS / longest)
        for i in range(0, len(lengths) - texts + 1, texts):  # batches of one shape: what is left over waits
            ids = torch.randint(0, VOCAB, (texts, longest + 1), generator=random)
            scored = torch.zeros(texts, longest, dtype=torch.bool)
            for text, length in enumerate(lengths[i:i + texts]):
                scored[text, length // 2:length] = True
            places = scored.view(-1).nonzero()[:, 0]
            batches.append((ids[:, :-1], ids[:, 1:].reshape(-1)[places], places))
    order = torch.randperm(len(batches), generator=random).tolist()
    return [batches[i] for i in order]


start_rss = rss()
net = Gpt()
if args.kind == "train":
    matrices = [p for p in net.parameters() if p.dim() > 1]
    vectors = [p for p in net.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
                                  lr=3e-4, betas=(0.9, 0.95), **({"fused": True} if RELEASE >= (2, 4) else {}))
    ids = torch.randint(0, VOCAB, (TEXTS, LENGTH + 1))
    batches = bucketed() if args.bucketed else [(ids[:, :-1], ids[:, 1:].reshape(-1), None)]

    def loss_of(inputs, targets, scored):
        return F.cross_entropy(net(inputs, scored=scored).reshape(-1, VOCAB), targets)

    run = torch.compile(loss_of, dynamic=args.bucketed) if args.compile else loss_of
    rates, scored_rates = [], []
    for step in range(args.warmup + args.steps):
        inputs, targets, scored = batches[step % len(batches)]
        begin = clock()
        optimizer.zero_grad(set_to_none=True)
        loss = run(inputs, targets, scored)
        loss.backward()
        optimizer.step()
        if step >= args.warmup:
            seconds = clock() - begin
            rates.append(inputs.numel() / seconds)
            scored_rates.append(targets.numel() / seconds)
    report(rates, scored_per_s=statistics.median(scored_rates), loss=loss.item())
else:
    net.eval()
    rates = []
    with torch.no_grad():
        for _ in range(3):
            ids = torch.randint(0, VOCAB, (args.batch, 1))
            shape = (args.batch, HEADS, args.new + 1, WIDTH // HEADS)
            cache = [(torch.zeros(shape), torch.zeros(shape)) for _ in range(LAYERS)]
            begin = clock()
            for i in range(args.new):
                share = F.softmax(net(ids, cache, i)[:, -1], -1)
                ids = torch.multinomial(share, 1)
            rates.append(args.batch * args.new / (clock() - begin))
    report(rates, batch=args.batch)
