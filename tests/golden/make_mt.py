#!/usr/bin/env python3
"""Writes mt_tokenizers.json, mt_corpus.json and mt_significance.json: what sacreBLEU says about sentences of our own.

usage: make_mt.py (python3 -m pip install sacrebleu==2.6.0)
"""
import json
import os
import random

import numpy
import sacrebleu
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.tokenizers.tokenizer_ter import TercomTokenizer

SETS = {
    "plain": (["The mill stands by the river.", "Nobody has seen the miller since Monday.", "Rain again!"],
              [["The mill is standing at the river.", "No one has seen the miller since Monday.", "It rains again."]]),
    "several": (["A heron waits in the reeds for a fish.", "He said: \"Come in, it is open.\"", "Ten geese", "", "so be it"],
                [["A heron is waiting in the reeds.", "He said, \"Come in, it's open!\"", "There are ten geese.", "x", None],
                 ["In the reeds a heron waits for a fish.", None, "Ten geese flew over", "", "so it be"],
                 ["The heron waits for a fish", "He said: come in.", None, "nothing was said", "let it be so"]]),
    "three": (["the lamp on the table burns", "we go home now", "an old boat and a new oar"],
              [["a lamp burns on the table", "now we are going home", "a new oar, an old boat"],
               ["on the table a lamp is burning bright", "home we go", "an old boat; a new oar"],
               ["the table has a lamp", "we go now", "boat and oar"]]),
    "short": (["owl", "two owls", "owl owl owl owl", "", "no match here at all", "   "],
              [["owl", "two owls", "owl and owl", "owl", "something else", " "]]),
    "empty reference": (["a", "", "b c"], [["", "", "b c"]]),
    "nothing alike": (["one two three four five"], [["six seven eight nine ten"]]),
    "case": (["ÄPFEL UND Straße", "ΟΔΥΣΣΕΥΣ sails", "İzmir at DAWN"],
             [["äpfel und straße", "οδυσσευς sails", "i̇zmir at dawn"]]),
    "long": (["the cat and the dog and the cat and the dog sat on the mat and the cat slept . , ; 3.5-4.5 %"] * 3,
             [["the dog and the cat sat on the mat, and then the cat slept (3.5-4.5%)",
               "a cat and a dog and the mat", "the cat slept and the dog and the cat sat"]]),
    "moved": (["yesterday in the market the baker sold warm bread to the children", "seven red hens and two grey cats slept",
               "b c d e f g h i j k l m a", "x y z x y z x y z", "of the house the door of the house", "a a a a b b b b",
               "one two three four five six seven eight nine ten eleven twelve thirteen"],
              [["the baker sold the children warm bread in the market yesterday", "two grey cats and seven red hens slept",
                "a b c d e f g h i j k l m", "z y x z y x z y x", "the door of the house of the house", "b b b b a a a a",
                "eleven twelve thirteen one two three four five six seven eight nine ten"]]),
    "unequal": (["word " * 4 + "end", "one", "a " * 70 + "b"],
                [[" ".join(f"w{i}" for i in range(130)) + " word end", "one " * 60, "b a"]]),
    "characters": (["(hello) world's \"end\"!", "- a -- b --- (x) y)", "你好，世界。早上 好", "コーヒーを2杯、お願いします！", "ﬁn\u00a0de\u2028ligne\u0085x"],
                   [["(hello) world 's end!", "-- a - b (x) (y", "你好世界，早上好。", "コーヒーを二杯お願いします。", "fin de ligne x"]]),
}
BLEU_OPTIONS = [{}, {"lowercase": True}, {"tokenize": "none"}, {"tokenize": "intl"}, {"tokenize": "char"}, {"tokenize": "zh"},
                {"smooth_method": "none"}, {"smooth_method": "floor"}, {"smooth_method": "floor", "smooth_value": 0.02},
                {"smooth_method": "add-k"}, {"smooth_method": "add-k", "smooth_value": 0.25}, {"effective_order": True},
                {"effective_order": True, "smooth_method": "none"}, {"effective_order": True, "smooth_method": "add-k"},
                {"max_ngram_order": 1}, {"max_ngram_order": 5, "effective_order": True}]
CHRF_OPTIONS = [{}, {"word_order": 2}, {"word_order": 1, "lowercase": True}, {"whitespace": True}, {"eps_smoothing": True},
                {"eps_smoothing": True, "word_order": 2}, {"beta": 1}, {"beta": 3, "word_order": 3, "char_order": 2}]
TER_OPTIONS = [{}, {"case_sensitive": True}, {"normalized": True}, {"no_punct": True}, {"normalized": True, "asian_support": True},
               {"no_punct": True, "asian_support": True},
               {"normalized": True, "no_punct": True, "asian_support": True, "case_sensitive": True}]
LINES = ["", " ", "word", "Hello, world!", "3.14, 2,718 and .5 or 5.", "a,b.c", "..", ",,", "...5", "1..2", "1,,2", ".,.,",
         "x.,y", "2019-2020 and a-b, 5-", "-5--6", "don't; can't", "\"quoted\" 'single'", "&quot;x&quot; &amp;lt; &apos;",
         "a<skipped>b", "half-\nline", "two\nlines", "\n-dash", "[x]{y}(z)<w>", "50% of $3 @home #1 a/b a\\b ~^_`|",
         "Straße, München.", "é.5", "5.é", "日本。語", "a\u00a0b", "a\u2028b\u0085c", "a\u200bb", "\u001ca\u001f", "tab\tand\rreturn",
         "end. ", "¡Hola! ¿qué?", "naïve—dash–en", "x…y", "🙂.🙂,🙂", "0.0.0.0", "a.1,b", "1.a,2", "the dog's bone's", "'s", "x's",
         "٣٫١٤ و ٢،٥", "½.½ ²,3", "€5 £6+7=13 ±°©", "„so“ «ja» ‘no’", "中文abc，123。", "ｆｕｌｌ　ｗｉｄｔｈ！", "カタカナ・ひらがな", "㍿㈱①", "\ufeffmark",
         "𠀀𪛖", "a\u2f81b\u2000c\u2001d⩭e", "､｡･ ﹐", "、。「」『』【】〔〕", "a.b?c:d;e!f\"g(h)i", "İI ΣΑΣ ẞ", "e\u0301.\u0301,"]


def number(x):
    return x.item() if hasattr(x, "item") else x


def fields(x):
    keys = {"BLEU": ("score", "bp", "counts", "totals", "sys_len", "ref_len", "precisions"),
            "TER": ("score", "num_edits", "ref_length")}.get(x.name, ("score", "char_order", "word_order", "beta"))
    return {k: [number(v) for v in getattr(x, k)] if isinstance(getattr(x, k), list) else number(getattr(x, k)) for k in keys}


def write(name, area, cases, notes):
    made = f"sacrebleu {sacrebleu.__version__}, tests/golden/make_mt.py; all sentences are our own"
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    with open(path, "w", encoding="utf-8") as f:
        f.write('{"schema": "metrics-golden/1", "area": %s, "made_by": %s, "notes": %s, "count": %d, "cases": [\n'
                % (json.dumps(area), json.dumps(made), json.dumps(notes), len(cases)))
        f.write(",\n".join(json.dumps(c, ensure_ascii=True) for c in cases) + "\n]}\n")


def tokenizers():
    cases = []
    for name in ("13a", "intl", "none", "char", "zh"):
        tokenize = BLEU(tokenize=name).tokenizer
        for lowercase in (False, True):
            for i, x in enumerate(LINES):
                line = x.lower() if lowercase else x
                if lowercase and line == x:
                    continue
                cases.append({"id": f"{name}/{'lc' if lowercase else 'mixed'}/{i}", "tokenizer": name, "lowercase": lowercase,
                              "input": x, "expected": tokenize(line.rstrip())})
    for k, options in enumerate(TER_OPTIONS):
        tokenize = TercomTokenizer(**options)
        cases += [{"id": f"tercom/{k}/{i}", "tokenizer": "tercom", "options": options, "input": x, "expected": tokenize(x.rstrip())}
                  for i, x in enumerate(LINES)]
    write("mt_tokenizers.json", "mt/tokenizers", cases, "input -> tokens joined by a space, after trailing blanks are gone")


def corpora():
    cases = [{"id": f"set:{name}", "kind": "input", "set": name, "hyps": h, "refs": r} for name, (h, r) in SETS.items()]
    for name, (hyps, refs) in SETS.items():
        for metric, kind, list_of_options in (("BLEU", BLEU, BLEU_OPTIONS), ("chrF", CHRF, CHRF_OPTIONS), ("TER", TER, TER_OPTIONS)):
            for k, options in enumerate(list_of_options):
                m = kind(**options)
                corpus = m.corpus_score(hyps, refs)
                expected = {"score": fields(corpus), "formatted": corpus.format(width=2), "signature": str(m.get_signature())}
                expected["sentences"] = [fields(m.sentence_score(h, [x for x in r if x is not None]))
                                         for h, r in zip(hyps, zip(*refs))]
                cases.append({"id": f"{name}/{metric}/{k}", "metric": metric, "options": options, "set": name, "expected": expected})
    write("mt_corpus.json", "mt/corpus+sentence scores", cases,
          "kind input: the texts, a null is no such reference for the sentence; the others: metric, options, set -> expected")


def sentences(rng, count):
    """References and two systems: the first changes a word now and then, the second also drops and moves some."""
    people = "the miller,a heron,my aunt,an old sailor,the twins,nobody,the smith's cat".split(",")
    deeds = "sees,feeds,paints,has lost,will find,keeps,cannot lift".split(",")
    things = "a red boat,the last oar,two grey geese,some warm bread,the bridge,a brass lamp,three keys".split(",")
    places = "by the river,in the market,at dawn,under the old oak,behind the mill,on Mondays".split(",")
    refs, first, second = [], [], []
    for _ in range(count):
        words = " ".join(rng.choice(x) for x in (people, deeds, things, places)).split()
        refs.append(" ".join(words) + ".")
        one = [rng.choice(things).split()[-1] if rng.random() < 0.1 else w for w in words]
        first.append(" ".join(one) + ".")
        two = [w for w in one if rng.random() > 0.12]
        if rng.random() < 0.5:
            two = two[3:] + two[:3]
        second.append(" ".join(two) + ("." if rng.random() < 0.8 else ""))
    return refs, first, second


def significance():
    rng = random.Random(7)
    cases = []
    refs, first, second = sentences(rng, 30)
    other = [s.replace("the", "a") if i % 4 == 0 else s for i, s in enumerate(first)]
    for name, system in (("apart", second), ("near", other), ("same", first)):
        n, trials = len(first), 50
        indices = [[rng.randrange(n) for _ in range(n)] for _ in range(trials)]
        masks = [[rng.randrange(2) for _ in range(n)] for _ in range(trials)]
        cases.append({"id": f"{name}/input", "kind": "input", "baseline": first, "system": system, "refs": [refs],
                      "resample_indices": indices, "swap_masks": masks})
        for metric, m, options in (("BLEU", BLEU(), {}), ("BLEU", BLEU(smooth_method="add-k"), {"smooth_method": "add-k"}),
                                   ("chrF", CHRF(), {}), ("chrF++", CHRF(word_order=2), {"word_order": 2}), ("TER", TER(), {})):
            rows = [numpy.array(m._extract_corpus_statistics(x, [refs]), dtype="float64") for x in (first, system)]

            def score(total):
                return m._compute_score_from_stats([v.item() for v in total]).score
            base, new = (score(r.sum(0)) for r in rows)
            boot = [[score(r[i].sum(0)) for i in indices] for r in rows]
            gaps = numpy.abs(numpy.array(boot[0]) - numpy.array(boot[1]))
            swapped = [[], []]
            for mask in masks:
                keep = numpy.array(mask, dtype=bool)[:, None]
                swapped[0].append(score(numpy.where(keep, rows[0], rows[1]).sum(0)))
                swapped[1].append(score(numpy.where(keep, rows[1], rows[0]).sum(0)))
            real = abs(base - new)

            def interval(scores):
                s, k = sorted(scores), len(scores) // 40
                return [float(numpy.mean(s)), (s[len(s) - k - 1] - s[k]) / 2]
            cases.append({"id": f"{name}/{metric}/{len(cases)}", "metric": metric, "options": options, "expected": {
                "baseline": base, "system": new, "bootstrap_baseline": boot[0], "bootstrap_system": boot[1],
                "bootstrap_mean_ci_baseline": interval(boot[0]), "bootstrap_mean_ci_system": interval(boot[1]),
                "p_bootstrap": (int((gaps - gaps.mean() > real).sum()) + 1) / (trials + 1),
                "ar_a": swapped[0], "ar_b": swapped[1],
                "p_ar": (int((numpy.abs(numpy.array(swapped[0]) - numpy.array(swapped[1])) > real).sum()) + 1) / (trials + 1)}})
    write("mt_significance.json", "mt/significance with explicit indices", cases,
          "an input case carries texts, indices and masks for those after it; statistics are sacreBLEU's, in float64")


tokenizers()
corpora()
significance()
