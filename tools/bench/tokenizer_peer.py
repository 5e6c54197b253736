#!/usr/bin/env python3
"""Ruminate's tokenizer beside Hugging Face's `tokenizers`: same ids on every line, and MB/s of both.

usage: tokenizer_peer.py --program build/ruminate --tokenizer tokenizer.json [--rounds N] FILE...
       tokenizer_peer.py --train --program build/ruminate --vocab N [--pattern gpt2] FILE...

FILE may be plain, .gz or .xz. Needs `pip install tokenizers`. The first form encodes each line of each file
with both, one thread each, compares the ids and prints the process time of both: the minimum over the rounds,
in alternation, without loading. The second form trains with both on the same lines and compares vocabulary
and merges. Numbers only are printed, never text. Exit status 1 when anything differs.
"""
import argparse
import gzip
import json
import lzma
import os
import resource
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402


def lines_of(path):
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(os.path.splitext(path)[1], open)
    with opener(path, "rb") as f:
        text = f.read().decode("utf-8")
    lines = text.split("\n")
    return lines[:-1] if text.endswith("\n") else lines


def child_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def ours(program, tokenizer, data):
    """Ids of every line, and process seconds with those of an empty input taken off."""
    command = [program, "tokenizer", "encode", "--tokenizer", tokenizer]
    times = []
    for given in (b"", data):
        before = child_seconds()
        out = subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True).stdout
        times.append(child_seconds() - before)
    return out, times[1] - times[0]


def compare(args):
    peer = Tokenizer.from_file(args.tokenizer)
    total_lines = total_differ = 0
    total = [0.0, 0.0, 0]
    for path in args.files:
        lines = lines_of(path)
        data = "".join(line + "\n" for line in lines).encode()
        best = [1e9, 1e9]
        for _ in range(args.rounds):
            out, seconds = ours(args.program, args.tokenizer, data)
            best[0] = min(best[0], seconds)
            start = time.process_time()
            encodings = peer.encode_batch_fast(lines, add_special_tokens=False)
            best[1] = min(best[1], time.process_time() - start)
            theirs = [e.ids for e in encodings]
        got = [[int(i) for i in row.split()] for row in out.decode().split("\n")[:-1]]
        differ = sum(a != b for a, b in zip(got, theirs)) + abs(len(got) - len(theirs))
        mb = len(data) / 1e6
        total = [total[0] + best[0], total[1] + best[1], total[2] + mb]
        total_lines, total_differ = total_lines + len(lines), total_differ + differ
        print(f"{os.path.basename(path)}: {len(lines)} lines, {mb:.1f} MB, ours {mb / best[0]:.1f} MB/s, "
              f"theirs {mb / best[1]:.1f} MB/s, {differ} lines differ", flush=True)
    print(json.dumps({"lines": total_lines, "differ": total_differ, "mb": round(total[2], 1),
                      "ours_mb_s": round(total[2] / total[0], 1), "theirs_mb_s": round(total[2] / total[1], 1),
                      "ratio": round(total[1] / total[0], 2)}))
    return total_differ != 0


def pre_tokenizer(pattern, split_digits):
    gpt4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
            r"|\s*[\r\n]+|\s+(?!\S)|\s+")
    regex = {"gpt2": None, "gpt4": gpt4, "llama3": gpt4, "whitespace": r" ?\S+|\s+(?!\S)|\s+"}[pattern]
    steps = [pre_tokenizers.Digits(individual_digits=True)] if split_digits else []
    if regex:
        steps.append(pre_tokenizers.Split(Regex(regex), "isolated"))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex is None))
    return pre_tokenizers.Sequence(steps) if len(steps) > 1 else steps[0]


def train(args):
    texts = [column for path in args.files for line in lines_of(path) for column in line.split("\t")]
    with tempfile.TemporaryDirectory() as folder:
        mine, data = os.path.join(folder, "t.json"), os.path.join(folder, "texts.txt")
        with open(data, "w", encoding="utf-8", newline="") as f:
            f.writelines(t + "\n" for t in texts)
        command = [args.program, "tokenizer", "train", "--input", data, "--vocab", str(args.vocab), "--output", mine,
                   "--pattern", args.pattern, "--special", "<s>", "</s>"] + ["--split-digits"] * args.split_digits
        start = time.time()
        subprocess.run(command, check=True)
        seconds = time.time() - start
        ours = json.load(open(mine, encoding="utf-8"))
    peer = Tokenizer(models.BPE())
    peer.pre_tokenizer, peer.decoder = pre_tokenizer(args.pattern, args.split_digits), decoders.ByteLevel()
    start = time.time()
    peer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=args.vocab, min_frequency=2, special_tokens=["<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    peer_seconds = time.time() - start
    theirs = json.loads(peer.to_str())
    same = {k: ours["model"][k] == theirs["model"][k] for k in ("vocab", "merges")}
    same["pre_tokenizer"] = ours["pre_tokenizer"] == theirs["pre_tokenizer"]
    same["added_tokens"] = ours["added_tokens"] == theirs["added_tokens"]
    print(json.dumps({"texts": len(texts), "vocab": len(ours["model"]["vocab"]), "merges": len(ours["model"]["merges"]),
                      "ours_s": round(seconds, 2), "theirs_s": round(peer_seconds, 2), "same": same}))
    return not all(same.values())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/ruminate")
    p.add_argument("--tokenizer", default="tokenizer.json")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--train", action="store_true")
    p.add_argument("--vocab", type=int, default=8192)
    p.add_argument("--pattern", default="gpt2")
    p.add_argument("--split-digits", action="store_true")
    p.add_argument("files", nargs="+")
    args = p.parse_args()
    sys.exit(train(args) if args.train else compare(args))


if __name__ == "__main__":
    main()
