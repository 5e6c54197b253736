#!/usr/bin/env python3
"""Counts what nvcc made of each kernel, from the objects of `make cuda-host`, and holds it to a budget.

  machine_code.py FOLDER NVCC            fails where a kernel spills, or is over data/evidence/cuda-machine-code.md
  machine_code.py FOLDER NVCC --update   writes that table anew (after a change that is wanted; its diff shows before and after)

FOLDER holds the objects for sm_90. No disassembler: an instruction is 16 bytes, its first 9 bits say what it is.
"""
import re
import struct
import subprocess
import sys
from pathlib import Path

TABLE = Path("data/evidence/cuda-machine-code.md")
SLACK = 1.02  # a compiler's whim
CODES = {0x181: "LDG", 0x184: "LDS", 0x183: "LDL", 0x187: "STL", 0x03B: "LDSM", 0x03C: "HMMA", 0x1F0: "HGMMA", 0x1AE: "LDGSTS", 0x108: "MUFU"}
BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 8, 6: 16}
NOP, BRANCH, EXIT = 0x118, 0x147, 0x14D
COLUMNS = ["registers", "spills", "instructions", "global 16", "8", "4", "2", "shared 16", "8", "4", "2", "LDSM", "HMMA", "HGMMA", "MUFU", "loop", "loop LDSM", "loop products"]
PRODUCTS = ("HMMA", "HGMMA")  # of a warp, of a warpgroup


def sections(elf):
    """Name: bytes, of each section of an ELF file of 64 bits."""
    at, size, count, names = struct.unpack_from("<Q10xHHH", elf, 40)
    rows = [struct.unpack_from("<IIQQQQ", elf, at + i * size) for i in range(count)]
    return {text(elf, rows[names][4] + row[0]): elf[row[4] : row[4] + row[5]] for row in rows}


def text(data, at):
    return data[at : data.index(b"\0", at)].decode()


def registers(parts):
    """Of each kernel, from the attributes of the program: 04 2f, length, symbol, number."""
    found, info, at = {}, parts[".nv.info"], 0
    while at < len(info):
        form, what, length = struct.unpack_from("<BBH", info, at)
        if (form, what) == (4, 0x2F):
            symbol, number = struct.unpack_from("<II", info, at + 4)
            found[text(parts[".strtab"], struct.unpack_from("<I", parts[".symtab"], 24 * symbol)[0])] = number
        at += 4 + (length if form == 4 else 0)
    return found


def programs(data):
    """The GPU's ELF files in an object: the entries of its fatbin that are kind 2."""
    begin = data.find(struct.pack("<I", 0xBA55ED50))
    if begin < 0:
        return
    _, header, length = struct.unpack_from("<HHQ", data, begin + 4)
    at, end = begin + header, begin + header + length
    while at < end:
        kind, _, header, length = struct.unpack_from("<HHIQ", data, at)
        if kind == 2:
            elf = data[at + header : at + header + length]
            if elf[:4] != b"\x7fELF":
                sys.exit("machine_code.py: this nvcc packs machine code in a way that is not known here")
            yield elf
        at += header + length


def branch(at, low, high):
    """Where the branch at instruction `at` goes, and whether it always does."""
    words = (high & 0x3FFFF) << 38 | low >> 34 << 8 | low >> 16 & 0xFF  # of 4 bytes, from the next instruction on; signed
    words -= (words >> 55) << 56
    return at + 1 + words // 4, (low >> 12 & 15, high >> 23 & 15) == (7, 7)


def main_loop(code):
    """Instructions, LDSM and products of one turn of the innermost loop with most tensor-core products, on the shortest way through it that
    leaves none of them out: no mask, no slow copies. 0 where there are no such products. Waiting again at a barrier stands behind
    the kernel's end, and its way back is no loop."""
    steps = list(struct.iter_unpack("<QQ", code))
    names = [CODES.get(low & 0x1FF) for low, _ in steps]
    ends = [i for i, (low, _) in enumerate(steps) if low & 0x1FF == EXIT and low >> 12 & 15 == 7]
    back = [(branch(i, *step)[0], i) for i, step in enumerate(steps) if step[0] & 0x1FF == BRANCH]
    loops = [(-sum(name in PRODUCTS for name in names[head:tail]), tail - head, head) for head, tail in back if 0 <= head < tail and not any(head < i < tail for i in ends)]
    if not loops or min(loops)[0] == 0:
        return [0, 0, 0]
    _, length, head = min(loops)
    best = {head: (0, 0, 0)}  # of each instruction: products, instructions (less is more), LDSM on the way there
    for i in range(head, head + length + 1):
        if i not in best:
            continue
        low, high = steps[i]
        here = (best[i][0] + (names[i] in PRODUCTS), best[i][1] - (low & 0x1FF != NOP), best[i][2] + (names[i] == "LDSM"))
        if i == head + length:
            return [-here[1], here[2], here[0]]
        goes, always = branch(i, low, high) if low & 0x1FF == BRANCH else (0, low & 0x1FF == EXIT and low >> 12 & 15 == 7)
        for to in [goes] * (i < goes <= head + length) + [i + 1] * (not always):
            best[to] = max(best.get(to, here), here)
    return [0, 0, 0]


def count(code):
    n = {}
    total = 0
    for low, high in struct.iter_unpack("<QQ", code):
        if low & 0x1FF == NOP:
            continue
        total += 1
        name = CODES.get(low & 0x1FF)
        if name in ("LDG", "LDS"):
            name += str(BYTES.get(high >> 9 & 7))
        n[name] = n.get(name, 0) + 1
    get = lambda name: n.get(name, 0)
    return [get("LDL") + get("STL"), total] + [get("LDG%d" % w) for w in (16, 8, 4, 2)] + [
        get("LDS%d" % w) for w in (16, 8, 4, 2)] + [get("LDSM"), get("HMMA"), get("HGMMA"), get("MUFU")] + main_loop(code)


def kernels(folder):
    found = []
    for path in sorted(folder.glob("cuda/*.cu.o")):
        for elf in programs(path.read_bytes()):
            parts = sections(elf)
            for kernel, number in registers(parts).items():
                found.append((path.name[:-2], kernel, [number] + count(parts[".text." + kernel])))
    names = subprocess.run(["c++filt"], input="\n".join(k for _, k, _ in found), capture_output=True, text=True, check=True)
    table = {}
    for (file, _, numbers), name in zip(found, names.stdout.splitlines()):
        for noise in ("rum::cuda::", "(anonymous namespace)::", "simt::", "void "):
            name = name.replace(noise, "")
        name = name.replace("__nv_bfloat16", "bf16").replace("|", "")
        depth, end = 0, len(name)  # without the parameters: up to the first bracket outside < >
        for i, sign in enumerate(name):
            depth += (sign == "<") - (sign == ">")
            if sign == "(" and depth == 0:
                end = i
                break
        table["%s %s" % (file, re.sub(r"\((?:int|bool)\)", "", name[:end]).strip())] = numbers
    return table


def main():
    folder = Path(sys.argv[1])
    compiler = " ".join(re.findall(r"release (\S+),", subprocess.run([sys.argv[2], "--version"], capture_output=True, text=True).stdout))
    table = kernels(folder)
    if not table:
        sys.exit("machine_code.py: no objects in %s: make cuda-objects GPU=90 first" % folder)
    if "--update" in sys.argv:
        lines = ["# What nvcc makes of each kernel", "",
                 "For sm_90 (sm_90a where there is HGMMA), counted by `tools/machine_code.py`: registers of a thread, accesses of spilled",
                 "ones, instructions, loads from global and shared memory by their width in bytes, the instructions of tensor cores and of",
                 "special functions, and of one turn of the innermost loop with such products all instructions, LDSM and products. The",
                 "budget of `make test` (2 % above it fails); `make cuda-budget` writes it anew.", "",
                 "nvcc " + compiler, "", "kernel | " + " | ".join(COLUMNS), "--- |" + " ---: |" * len(COLUMNS)]
        lines += ["%s | %s" % (k, " | ".join(map(str, v))) for k, v in sorted(table.items())]
        TABLE.write_text("\n".join(lines) + "\n")
        print("written: %s, %d kernels" % (TABLE, len(table)))
        return
    text = TABLE.read_text()
    budget = {row[0]: [int(x) for x in row[1:]] for row in (line.split(" | ") for line in text.splitlines()) if len(row) == len(COLUMNS) + 1 and row[1].isdigit()}
    same = re.search(r"^nvcc (\S+)$", text, re.M).group(1) == compiler
    bad = []
    for kernel, now in sorted(table.items()):
        if now[1] > 0:
            bad.append("%s: %d accesses of spilled registers" % (kernel, now[1]))
        if not same:
            continue
        if kernel not in budget:
            bad.append("%s has no budget" % kernel)
            continue
        bad += ["%s: %d %s, %d in the budget" % (kernel, n, what, most) for what, n, most in zip(COLUMNS, now, budget[kernel]) if n > most * SLACK]
    if same:
        bad += ["%s is in the budget, and there is no such kernel" % k for k in sorted(set(budget) - set(table))]
    if bad:
        sys.exit("\n".join(bad) + "\nmachine code over its budget (%s); if that is wanted: make cuda-budget" % TABLE)
    print("machine code of %d kernels: %s" % (len(table), "within its budget" if same else "no spills (the budget is for another nvcc)"))


main()
