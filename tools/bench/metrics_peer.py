#!/usr/bin/env python3
"""`ruminate score` beside sacreBLEU: same scores, and how many times faster.

usage: metrics_peer.py --ref FILE --hyp FILE [FILE...] [--program build/ruminate] [--rounds N] [--only NAME]

Times whole processes, in alternation, and prints medians over the rounds: of seconds, of processor seconds (user and
system, all threads), and of the ratio of each pair of neighbouring runs. The paired bootstrap takes 10 systems (files
repeat when fewer are given) and gives sacreBLEU two workers. Exit status 1 when a score differs. sacreBLEU is that of
the python that runs this: `pip install sacrebleu==2.6.0`.
"""
import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import sacrebleu


def timed(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:4])}...: status {done.returncode}\n{done.stderr.decode()[-1000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout.decode()


def scores(text):
    """Numbers called `score` in either program's JSON, in order; both print the systems in the order given."""
    found = []

    def walk(x):
        if isinstance(x, dict):
            for key, value in x.items():
                walk(value)
                if key == "score":
                    found.append(round(value, 9))
        elif isinstance(x, list):
            for value in x:
                walk(value)
    walk(json.loads(text))
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default="build/ruminate")
    p.add_argument("--ref", required=True)
    p.add_argument("--hyp", required=True, nargs="+")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--only", help="one row: BLEU, chrF, chrF++, TER or bootstrap")
    args = p.parse_args()
    peer = [sys.executable, "-m", "sacrebleu", args.ref, "--width", "12", "--format", "json", "-i"]
    ours = [args.program, "score", "--ref", args.ref, "--json", "--hyp"]
    one = args.hyp[:1]
    names = tempfile.TemporaryDirectory()  # neither program takes one file for two systems
    ten = [os.path.join(names.name, f"system{i}") for i in range(10)]
    for path, target in zip(ten, args.hyp * 10):
        shutil.copyfile(target, path)
    rows = [("BLEU", one, ["-m", "bleu"], ["-m", "bleu"]), ("chrF", one, ["-m", "chrf"], ["-m", "chrf"]),
            ("chrF++", one, ["-m", "chrf", "--chrf-word-order", "2"], ["-m", "chrf++"]),
            ("TER", one, ["-m", "ter"], ["-m", "ter"]),
            ("bootstrap", ten, ["-m", "bleu", "--paired-bs", "--paired-jobs", "2"], ["-m", "bleu", "--paired-bs"])]
    differ = False
    print(f"sacreBLEU {sacrebleu.__version__}, {os.cpu_count()} processors, medians of {args.rounds} rounds")
    print(f"{'':10} {'sacreBLEU s':>12} {'ours s':>8} {'ratio':>6} {'   processor s':>15} {'ours':>8} {'ratio':>6}")
    for name, hyps, theirs_flags, ours_flags in rows:
        if args.only and name != args.only:
            continue
        walls, cpus, same = [[], []], [[], []], True
        for _ in range(args.rounds):
            theirs, mine = timed(peer + hyps + theirs_flags), timed(ours + hyps + ours_flags)
            for i, run in enumerate((theirs, mine)):
                walls[i].append(run[0])
                cpus[i].append(run[1])
            expected, got = scores(theirs[2]), scores(mine[2])
            same = same and len(got) == len(expected) and all(abs(a - b) < 1e-9 for a, b in zip(expected, got))
        differ = differ or not same
        m = statistics.median

        def ratio(pair):
            return m(a / b for a, b in zip(*pair))
        print(f"{name:10} {m(walls[0]):12.2f} {m(walls[1]):8.3f} {ratio(walls):6.1f} {m(cpus[0]):15.2f} {m(cpus[1]):8.3f} "
              f"{ratio(cpus):6.1f}{'' if same else '   SCORES DIFFER'}", flush=True)
    sys.exit(differ)


if __name__ == "__main__":
    main()
