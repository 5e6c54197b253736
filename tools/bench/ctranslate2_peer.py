#!/usr/bin/env python3
"""The generation of build/bench in CTranslate2, which many use to translate on a CPU: `make bench` runs both in turn.

    ctranslate2_peer.py generate --model iwslt|nano|gpt2-64 --threads N --batch B --dtype f32|int8

The model has the same shape and random weights; each text gets as many new tokens, drawn at temperature 1 from the whole
vocabulary after one first token. With one thread the time is processor time, as build/bench's. Prints one JSON line."""
import argparse
import json
import resource
import statistics
import tempfile
import time

import ctranslate2
import numpy
from ctranslate2.specs import common_spec, transformer_spec

MODELS = {  # layers, heads, width, inner, vocabulary
    "nano": (6, 6, 384, 1536, 8192),
    "iwslt": (6, 8, 512, 2048, 8192),
    "gpt2-64": (12, 12, 768, 3072, 50304),
}
CONTEXT = 256
FIRST, END, UNKNOWN = "<first>", "<end>", "<unknown>"
TYPES = {"f32": "float32", "int8": "int8"}
parser = argparse.ArgumentParser()
parser.add_argument("kind", choices=["generate"])
parser.add_argument("--model", choices=MODELS, default="iwslt")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--new", type=int, default=96)
parser.add_argument("--dtype", choices=TYPES, default="f32")
args = parser.parse_args()
clock = time.process_time if args.threads == 1 else time.perf_counter
LAYERS, HEADS, WIDTH, INNER, VOCAB = MODELS[args.model]
random = numpy.random.default_rng(1)


def noise(*shape):
    return random.normal(scale=0.02, size=shape).astype(numpy.float32)


def fill_linear(layer, outputs, inputs):
    layer.weight, layer.bias = noise(outputs, inputs), numpy.zeros(outputs, numpy.float32)


def fill_norm(layer):
    layer.gamma, layer.beta = numpy.ones(WIDTH, numpy.float32), numpy.zeros(WIDTH, numpy.float32)


def model():
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        LAYERS, HEADS, pre_norm=True, activation=common_spec.Activation.GELUTanh)
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = noise(VOCAB, WIDTH)
    decoder.position_encodings.encodings = noise(CONTEXT, WIDTH)
    fill_norm(decoder.layer_norm)
    decoder.projection.weight = decoder.embeddings.weight
    decoder.projection.bias = numpy.zeros(VOCAB, numpy.float32)
    for block in decoder.layer:
        fill_norm(block.self_attention.layer_norm)
        fill_linear(block.self_attention.linear[0], 3 * WIDTH, WIDTH)
        fill_linear(block.self_attention.linear[1], WIDTH, WIDTH)
        fill_norm(block.ffn.layer_norm)
        fill_linear(block.ffn.linear_0, INNER, WIDTH)
        fill_linear(block.ffn.linear_1, WIDTH, INNER)
    spec.register_vocabulary([FIRST, END, UNKNOWN] + [f"w{i}" for i in range(VOCAB - 3)])
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = FIRST, END, UNKNOWN
    return spec


def rss():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


start_rss = rss()  # with the imports alone
with tempfile.TemporaryDirectory() as folder:
    spec = model()
    spec.validate()
    spec.optimize(quantization="int8" if args.dtype == "int8" else None)
    spec.save(folder)
    generator = ctranslate2.Generator(folder, device="cpu", compute_type=TYPES[args.dtype], inter_threads=1,
                                      intra_threads=args.threads)
    rates = []
    for repeat in range(4):  # the first warms up
        begin = clock()
        texts = generator.generate_batch([[FIRST]] * args.batch, min_length=args.new, max_length=args.new,
                                         max_batch_size=args.batch, sampling_topk=0, sampling_temperature=1,
                                         include_prompt_in_result=False)
        seconds = clock() - begin
        written = sum(len(text.sequences_ids[0]) for text in texts)
        if repeat > 0:
            rates.append(written / seconds)
print(json.dumps({"kind": args.kind, "model": args.model, "dtype": args.dtype, "threads": args.threads,
                  "batch": args.batch, "tokens_per_s": statistics.median(rates),
                  "peak_rss_mib": rss(), "start_rss_mib": start_rss}))
