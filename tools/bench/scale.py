#!/usr/bin/env python3
"""Does memory or time grow with the work? Each command on 1, 4 and 16 parts of the same kind of text: what a
further byte, pair or text takes, from one size to the next. `make bench-scale` runs it.
  scale.py PROGRAM    for instance build/ruminate"""
import bisect, itertools, os, random, sys, tempfile

program, PAIRS, TEXTS = os.path.abspath(sys.argv[1]), 25000, 5000
r = random.Random(1)
words = ["".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(2, 9))) for _ in range(30000)]
zipf = list(itertools.accumulate(1 / (i + 1) for i in range(len(words))))


def line():
    return " ".join(words[bisect.bisect(zipf, r.random() * zipf[-1])] for _ in range(r.randint(5, 25)))


def run(*arguments):  # kilobytes at most, seconds of processor time
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0), os.dup2(null, 1), os.dup2(null, 2)
        os.execv(program, [program, *arguments])
    _, status, used = os.wait4(child, 0)
    if status:
        sys.exit(f"scale.py: {' '.join(arguments)} failed")
    return used.ru_maxrss, used.ru_utime + used.ru_stime


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for times in (1, 4, 16):
        with open(f"pairs{times}.tsv", "w") as pairs, open(f"text{times}", "w") as text:
            for _ in range(PAIRS * times):
                target = line()
                pairs.write(f"{line()}\t{target}\n"), text.write(f"{target}\n")
    with open("pairs1.tsv") as pairs, open("few.tsv", "w") as few:
        few.writelines(itertools.islice(pairs, 100))
    model = ["model.layers=1", "model.width=32", "model.heads=2", "model.context=128", "schedule.warmup=5"]
    settings = ["data.valid=few.tsv", "data.test=", "tokenizer.vocab=2000", "run.threads=2", "eval.bleu_texts=0", *model]
    open("empty.toml", "w").close()
    train = lambda *more: ["train", "empty.toml"] + [word for s in [*settings, *more] for word in ("--set", s)]
    run(*train("data.kind=text", "data.valid=text1", "data.train=text1", "run.folder=prose", "train.steps=20"))

    works = [
        ("diversity, distinct_4", "byte", lambda n: os.path.getsize(f"text{n}"), lambda n: ["diversity", f"text{n}", "--measures", "distinct_4"]),
        ("diversity, its usual measures", "byte", lambda n: os.path.getsize(f"text{n}"), lambda n: ["diversity", f"text{n}"]),
        ("diversity, two files, 20 permutations", "byte", lambda n: os.path.getsize(f"pairs{n}.tsv"), lambda n: ["diversity", f"pairs{n}.tsv:1", f"pairs{n}.tsv:2", "--measures", "types,distinct_2", "--permutations", "20"]),
        ("tokenizer train", "byte", lambda n: os.path.getsize(f"text{n}"), lambda n: ["tokenizer", "train", "--input", f"text{n}", "--vocab", "2000", "-o", "tokenizer.json"]),
        ("train, until the first steps", "pair", lambda n: PAIRS * n, lambda n: train(f"data.train=pairs{n}.tsv", "run.folder=tried", "train.steps=20") + ["--dry-run"]),
        ("generate", "text", lambda n: TEXTS * n, lambda n: ["generate", "prose", "--prompt", "a", "--count", str(TEXTS * n), "--max-new", "2"]),
    ]
    print(f"{'':<40}{'a further':>10}{'1x to 4x':>16}{'4x to 16x':>16}")
    for name, unit, size, command in works:
        used = [(size(n), *run(*command(n))) for n in (1, 4, 16)]
        steps = list(zip(used, used[1:]))
        memory = [1024 * (b[1] - a[1]) / (b[0] - a[0]) for a, b in steps]
        seconds = [1e6 * (b[2] - a[2]) / (b[0] - a[0]) for a, b in steps]
        print(f"{name:<40}{unit:>10}" + "".join(f"{m:>10.1f} bytes" for m in memory))
        print(f"{'':<50}" + "".join(f"{s:>13.3f} us" for s in seconds), flush=True)
