#!/usr/bin/env python3
"""The same training and generation as build/bench-gpu, in PyTorch, as fast as it goes: `make bench-gpu` runs both in turn.

    torch_gpu_peer.py train|generate [--texts 64] [--tiny]

A training step of GPT-2 124M: forward compiled, attention by the fastest of PyTorch's kernels on this card, bf16 autocast
over f32 weights, backward, clipping, fused AdamW; a loader process makes random tokens, the loss is logged every tenth
step. Generation: bf16 weights, greedy, a static cache, the decoding step compiled and replayed as a CUDA graph; tokens stay
on the GPU until the end. Prints one JSON line. --tiny: on the CPU, uncompiled, to see that it works; checks that writing
with the cache gives the tokens of the whole forward. Needs PyTorch 2.3 or newer."""
import argparse
import json
import math
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("kind", choices=["train", "generate"])
parser.add_argument("--texts", type=int, default=64)
parser.add_argument("--tiny", action="store_true")
args = parser.parse_args()
# The sizes of tools/bench/gpu/bench.h.
LAYERS, HEADS, WIDTH, LENGTH, VOCAB, TEXTS = 12, 12, 768, 1024, 50304, args.texts
WRITTEN, PROMPT, FRESH, STEPS, WARMUP = 256, 64, 192, 200, 20
PEAK = 989e12
if args.tiny:
    LAYERS, HEADS, WIDTH, LENGTH, VOCAB, TEXTS = 2, 2, 32, 16, 50, 2
    WRITTEN, PROMPT, FRESH, STEPS, WARMUP = 4, 3, 4, 4, 1
elif not torch.cuda.is_available():
    sys.exit("torch_gpu_peer: this PyTorch sees no GPU")
DEVICE = "cpu" if args.tiny else "cuda"


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, places=None, seen=None):
        """places (n): where the tokens stand, when keys and values go into the cache; seen: mask over all of it, for one
        token; without it the tokens see each other causally."""
        texts, length, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(texts, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        if places is not None:
            self.keys.index_copy_(2, places, k)
            self.values.index_copy_(2, places, v)
        if seen is not None:
            y = F.scaled_dot_product_attention(q, self.keys, self.values, attn_mask=seen)
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.project(y.transpose(1, 2).reshape(texts, length, WIDTH))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCAB, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.last = nn.LayerNorm(WIDTH)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                residual = name.endswith(("project.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / (math.sqrt(2 * LAYERS) if residual else 1))
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, ids, targets):
        x = self.tokens(ids) + self.positions.weight[:ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.last(x), self.tokens.weight)
        return F.cross_entropy(logits.view(-1, VOCAB).float(), targets.reshape(-1))

    # Buffers, not arguments: their addresses stay, so a CUDA graph may write to them.
    def make_cache(self, texts, length):
        for block in self.blocks:
            for name in ("keys", "values"):
                shape = (texts, HEADS, length, WIDTH // HEADS)
                block.register_buffer(name, torch.zeros(shape, dtype=self.last.weight.dtype, device=DEVICE))
        self.register_buffer("all_places", torch.arange(length, device=DEVICE))

    def next_token(self, ids, places, one):
        x = self.tokens(ids) + self.positions(places)
        seen = (self.all_places <= places)[None, None, None] if one else None
        for block in self.blocks:
            x = block(x, places, seen)
        return F.linear(self.last(x[:, -1:]), self.tokens.weight).argmax(-1)  # (texts, 1)


class Tokens(torch.utils.data.IterableDataset):
    def __iter__(self):
        random = torch.Generator().manual_seed(1)
        while True:
            yield torch.randint(VOCAB, (TEXTS, LENGTH + 1), generator=random)


def wait():
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def fastest_attention():
    """The context of the fastest kernel at the step's shape, forward and backward; its name."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    shape = (TEXTS, HEADS, LENGTH, WIDTH // HEADS)
    q, k, v = (torch.randn(shape, device=DEVICE, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    found = {}
    for name in ("FLASH_ATTENTION", "CUDNN_ATTENTION", "EFFICIENT_ATTENTION"):
        if not hasattr(SDPBackend, name):
            continue
        try:
            with sdpa_kernel([getattr(SDPBackend, name)]):
                for trial in range(8):
                    if trial == 3:
                        wait()
                        begin = time.perf_counter()
                    y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
                    y.backward(y)
                wait()
                found[name] = time.perf_counter() - begin
        except RuntimeError as e:
            print(f"{name}: {e}", file=sys.stderr)
    best = min(found, key=found.get)
    return sdpa_kernel([getattr(SDPBackend, best)]), best


def train():
    model = Gpt().to(DEVICE)
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    rest = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, lr=3e-4, betas=(0.9, 0.95), **({} if args.tiny else {"fused": True}))
    compiled = model if args.tiny else torch.compile(model)
    loader = iter(torch.utils.data.DataLoader(Tokens(), batch_size=None, num_workers=1, pin_memory=not args.tiny,
                                              prefetch_factor=4))

    def step():
        data = next(loader).to(DEVICE, non_blocking=True)
        with torch.autocast(DEVICE, dtype=torch.bfloat16):
            loss = compiled(data[:, :-1], data[:, 1:])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        return loss.detach()

    for i in range(WARMUP + STEPS):
        if i == WARMUP:
            wait()
            begin = time.perf_counter()
        loss = step()
        if i % 10 == 0:
            last = loss.item()
            first = last if i == 0 else first
            print(f"step {i} loss {last:.4f}", file=sys.stderr)
    last = loss.item()
    wait()
    each = (time.perf_counter() - begin) / STEPS
    numbers = sum(p.numel() for p in model.parameters()) - model.positions.weight.numel()
    rate = TEXTS * LENGTH / each
    return {"ms": 1e3 * each, "tokens_per_s": rate, "steps": STEPS, "loss_first": first, "loss_last": last,
            "mfu": rate * (6 * numbers + 6 * LAYERS * LENGTH * WIDTH) / PEAK}


@torch.no_grad()
def generate():
    model = Gpt().to(DEVICE, torch.float32 if args.tiny else torch.bfloat16).eval()
    model.make_cache(WRITTEN, PROMPT + FRESH)
    prompts = torch.randint(VOCAB, (WRITTEN, PROMPT), device=DEVICE)
    read = decode = model.next_token
    if not args.tiny:
        read = torch.compile(model.next_token, fullgraph=True, dynamic=False)
        decode = torch.compile(model.next_token, fullgraph=True, dynamic=False, mode="reduce-overhead")
    places = torch.arange(PROMPT + FRESH, device=DEVICE)

    def write():
        ids = read(prompts, places[:PROMPT], False)
        out = [ids]
        for i in range(PROMPT, PROMPT + FRESH - 1):
            ids = decode(ids, places[i:i + 1].clone(), True).clone()  # a replay overwrites what the last one gave
            out.append(ids)
        return torch.cat(out, 1).cpu()

    times = []
    for _ in range(4):  # the first compiles
        begin = time.perf_counter()
        text = write()
        times.append(time.perf_counter() - begin)
    if args.tiny:
        whole = torch.cat([prompts, text], 1)
        for i in range(FRESH):
            x = model.tokens(whole[:, :PROMPT + i]) + model.positions.weight[:PROMPT + i]
            for block in model.blocks:
                x = block(x)
            token = F.linear(model.last(x[:, -1]), model.tokens.weight).argmax(-1)
            assert torch.equal(token, text[:, i]), f"the cache changes token {i}"
    each = statistics.median(times[1:])
    return {"ms": 1e3 * each, "tokens_per_s": WRITTEN * FRESH / each}


torch.manual_seed(1)
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
if args.kind == "generate":
    result, attention = generate(), "chosen by PyTorch"
elif args.tiny:
    result, attention = train(), "of the CPU"
else:
    context, attention = fastest_attention()
    with context:
        result = train()
print(json.dumps({"name": "PyTorch", "part": args.kind, "torch": torch.__version__, "attention": attention, **result}))
