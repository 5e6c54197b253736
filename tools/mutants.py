#!/usr/bin/env python3
"""Seeds defects, one at a time, and counts how many the engine's tests notice.

    tools/mutants.py [--count 60] [--seed 1] [--out data/evidence/mutants.txt]

A defect is a small change of one line of src/ops/*.cc or src/autograd/tape.cc, made in a copy of the tree: a
sign, an index off by one, `=` for `+=`, a comparison, a constant, a dropped share. Where they are made follows
from the seed, so the list stays valid while the code changes. A change that does not compile is not counted.
"""
import argparse
import datetime
import glob
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

# what to find, what to put there, what to call it; applied to code only, not to comments, includes or messages
RULES = [
    (r"(?<=[\w\])]) \+ (?=[\w(])", " - ", "+ to -"),
    (r"(?<=[\w\])]) - (?=[\w(])", " + ", "- to +"),
    (r"(?<=[\w\])]) \* (?=[\w(])", " / ", "* to /"),
    (r"(?<=[\w\])]) / (?=[\w(])", " * ", "/ to *"),
    (r" \+= ", " = ", "+= to ="),
    (r" \+= ", " -= ", "+= to -="),
    (r"(?<=\]) = (?=[a-z])", " += ", "= to +="),
    (r" < (?=\w)", " <= ", "< to <="),
    (r" > (?=\w)", " < ", "> to <"),
    (r" == ", " != ", "== to !="),
    (r"\badd \? ", "!add ? ", "add inverted"),
    (r"\.add\(\)", ".add() == false", "add() inverted"),
    (r"(?<![\w.])1(?![\w.])", "2", "1 to 2"),
    (r"(?<![\w.])0(?![\w.])", "1", "0 to 1"),
    (r"\bd\[(\d)\]\.share\(([^;]*?)\)(?=[,;])", "static_cast<void>(0)", "a dropped share"),
    (r"\b(dy|d|in)\[0\]", r"\1[1]", "index 0 to 1"),
    (r"\bstd::max\(", "std::min(", "max to min"),
    (r"\bstd::min\(", "std::max(", "min to max"),
    (r"\.transpose_([ab]) = true", r".transpose_\1 = false", "a dropped transpose"),
]
# Speed, not values: which tile or piece does the work, and what a message says.
SKIP = re.compile(r"^\s*(//|#|template|using|const bool provided|constexpr|static_assert)|RUM_CHECK|parallel\(|reserve|noise\(|"
                  r"\{\"|const Op|samples\(|Sample")
# The Makefile compiles and links whatever lies in tests/, several files at once.
TESTS = ["tests/%s.cc" % t for t in ("main", "ops_test", "formulas", "engine_test", "attention_test", "model_test",
                                     "reference/gpt")]


def code_lines(text):
    """Numbers of the lines that are code of kernels and gradients: no samples, no checks."""
    inside, out = False, []
    for i, line in enumerate(text.split("\n")):
        if re.match(r"std::vector<Sample> \w*samples\(", line):
            inside = True
        if not inside and not SKIP.search(line) and line.startswith("  "):
            out.append(i)
        if inside and line == "}":
            inside = False
    return out


def candidates(path):
    text = open(path).read()
    lines = text.split("\n")
    for i in code_lines(text):
        code = lines[i].split("//")[0]
        for pattern, to, name in RULES:
            for m in re.finditer(pattern, code):
                changed = code[: m.start()] + m.expand(to) + code[m.end():]
                yield path, i, name, changed


def other_tests(folder, names):
    """What to leave out of tests/: the sources that have nothing to do with ops and tape."""
    return [n for n in names if n.endswith(".cc") and os.path.join(folder, n) not in TESTS]


def command(args, folder, seconds):
    """Exit status, or 'late'."""
    try:
        return subprocess.run(args, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=seconds).returncode
    except subprocess.TimeoutExpired:
        return "late"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--count", type=int, default=60)
    p.add_argument("--minutes", type=float, default=1e9, help="stop after so many, with what was tried")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--out", default="data/evidence/mutants.txt")
    p.add_argument("--jobs", type=int, default=os.cpu_count())
    p.add_argument("--cxx", default="g++")
    a = p.parse_args()

    files = sorted(glob.glob("src/ops/*.cc") + ["src/autograd/tape.cc"])
    files = [f for f in files if "gemm_onednn" not in f]
    pristine = {f: open(f).read() for f in files}  # the tree here may change meanwhile
    everything = [c for f in files for c in candidates(f)]
    # As many from each file as its share of the places, each file at least twice.
    draw = random.Random(a.seed)
    draw.shuffle(everything)
    chosen, extra = [], []
    for f in files:
        mine = [c for c in everything if c[0] == f]
        want = max(2, round(a.count * len(mine) / len(everything)))
        chosen += mine[:want]
        extra += mine[want:]
    draw.shuffle(chosen)

    tree = tempfile.mkdtemp(prefix="mutants-")
    try:
        for d in ("src", "tools"):
            shutil.copytree(d, os.path.join(tree, d))
        shutil.copytree("tests", os.path.join(tree, "tests"), ignore=other_tests)
        shutil.copy("Makefile", tree)
        if os.path.isdir("build/obj/release"):  # what is built already need not be built again
            shutil.copytree("build/obj/release", os.path.join(tree, "build/obj/release"))
        make = ["make", "-s", "-j%d" % a.jobs, "CXX=" + a.cxx, "build/tests/run"]
        quick = "*P0*:*P1*:*P2*:*P8*:Tapes*:Attention*:*Reference*F64*"
        runs = [["build/tests/run", "--gtest_brief=1", "--gtest_fail_fast", "--gtest_filter=" + f]
                for f in (quick, "-*P7*:*OpOnGpu*:*Toy*:" + quick)]

        def notice(seconds):  # a defect that loops forever is noticed too
            return any(command(r, tree, seconds) != 0 for r in runs)

        if command(make, tree, 3600) != 0:
            sys.exit("mutants: the unchanged tree does not build")
        begin = time.monotonic()
        if notice(600):
            sys.exit("mutants: the unchanged tree does not pass")
        patience = 4 * (time.monotonic() - begin) + 20
        print("unchanged: passes", flush=True)
        killed, survived, broken = 0, [], 0
        end = time.monotonic() + 60 * a.minutes
        while chosen and killed + len(survived) < a.count and time.monotonic() < end:
            path, line, name, changed = chosen.pop(0)
            lines = pristine[path].split("\n")
            lines[line] = changed
            with open(os.path.join(tree, path), "w") as f:
                f.write("\n".join(lines))
            if command(make, tree, 600) != 0:
                broken += 1
                if extra:
                    chosen.append(extra.pop(0))
            elif notice(patience):
                killed += 1
                print("killed %d" % killed, "%s:%d %s" % (path, line + 1, name), flush=True)
            else:
                survived.append("%s:%d %s: %s" % (path, line + 1, name, changed.strip()))
                print("survived", survived[-1], flush=True)
            with open(os.path.join(tree, path), "w") as f:
                f.write(pristine[path])
        total = killed + len(survived)
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
        report = ["%s, commit %s, seed %d" % (datetime.date.today(), commit, a.seed),
                  "%d of %d seeded defects killed (%.0f %%); %d more did not compile"
                  % (killed, total, 100 * killed / max(total, 1), broken)]
        report += ["survived: " + s for s in survived]
        os.makedirs(os.path.dirname(a.out), exist_ok=True)
        with open(a.out, "w") as f:
            f.write("\n".join(report) + "\n")
        print("\n".join(report))
        sys.exit(0 if killed >= 0.9 * total else 1)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


main()
