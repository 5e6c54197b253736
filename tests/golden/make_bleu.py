#!/usr/bin/env python3
"""Writes bleu.json: what sacreBLEU says about sentences of our own (python3 -m pip install sacrebleu)."""
import json
import os

import sacrebleu
from sacrebleu.metrics import BLEU

SETS = {
    "plain": (["The mill stands by the river.", "Nobody has seen the miller since Monday.", "Rain again!"],
              [["The mill is standing at the river.", "No one has seen the miller since Monday.", "It rains again."]]),
    "several": (["A heron waits in the reeds for a fish.", "He said: \"Come in, it is open.\"", "Ten geese", ""],
                [["A heron is waiting in the reeds.", "He said, \"Come in, it's open!\"", "There are ten geese.", "x"],
                 ["In the reeds a heron waits for a fish.", "\"Come in,\" he said.", "Ten geese flew over", ""],
                 ["The heron waits for a fish", "He said: come in.", "Geese", "nothing was said"]]),
    "short": (["owl", "two owls", "owl owl owl owl", "", "no match here at all"],
              [["owl", "two owls", "owl and owl", "owl", "something else"]]),
    "empty reference": (["a", "", "b c"], [["", "", "b c"]]),
    "nothing alike": (["one two three four five"], [["six seven eight nine ten"]]),
    "case": (["ÄPFEL UND Straße", "ΟΔΥΣΣΕΥΣ sails", "İzmir at DAWN"],
             [["äpfel und straße", "οδυσσευς sails", "i̇zmir at dawn"]]),
    "long": (["the cat and the dog and the cat and the dog sat on the mat and the cat slept . , ; 3.5-4.5 %"] * 3,
             [["the dog and the cat sat on the mat, and then the cat slept (3.5-4.5%)",
               "a cat and a dog and the mat", "the cat slept and the dog and the cat sat"]]),
}
OPTIONS = [{}, {"lowercase": True}, {"tokenize": "none"}, {"smooth_method": "none"}, {"smooth_method": "floor"},
           {"smooth_method": "floor", "smooth_value": 0.02}, {"smooth_method": "add-k"},
           {"smooth_method": "add-k", "smooth_value": 0.25}, {"effective_order": True},
           {"effective_order": True, "smooth_method": "none"}, {"effective_order": True, "smooth_method": "add-k"}]
LINES = ["", " ", "word", "Hello, world!", "3.14, 2,718 and .5 or 5.", "a,b.c", "..", ",,", "...5", "1..2", "1,,2", ".,.,",
         "x.,y", "2019-2020 and a-b, 5-", "-5--6", "don't; can't", "\"quoted\" 'single'", "&quot;x&quot; &amp;lt; &apos;",
         "a<skipped>b", "half-\nline", "two\nlines", "[x]{y}(z)<w>", "50% of $3 @home #1 a/b a\\b ~^_`|",
         "Straße, München.", "é.5", "5.é", "日本。語", "a\u00a0b", "a\u2028b\u0085c", "a\u200bb", "\u001ca\u001f",
         "tab\tand\rreturn", "end. ", "¡Hola! ¿qué?", "naïve—dash–en", "x…y", "🙂.🙂,🙂", "0.0.0.0", "a.1,b", "1.a,2"]


def score(x):
    return {"score": x.score, "bp": x.bp, "precisions": x.precisions, "hyp_len": x.sys_len, "ref_len": x.ref_len}


def main():
    out = {"made_by": f"sacrebleu {sacrebleu.__version__}, tests/golden/make_bleu.py; all sentences are our own",
           "sets": [], "tokens": []}
    for name, (hyps, refs) in SETS.items():
        cases = []
        for options in OPTIONS:
            metric = BLEU(**options)
            corpus = metric.corpus_score(hyps, refs)
            cases.append({"options": options, "corpus": score(corpus), "signature": str(metric.get_signature()),
                          "line": str(corpus), "sentences": [score(metric.sentence_score(h, list(r)))
                                                             for h, r in zip(hyps, zip(*refs))]})
        out["sets"].append({"name": name, "hyps": hyps, "refs": refs, "cases": cases})
    tokenize = BLEU(tokenize="13a").tokenizer
    out["tokens"] = [{"line": x, "tokens": tokenize(x.rstrip())} for x in LINES]
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "bleu.json"), "w", encoding="utf-8") as f:
        json.dump(out, f, ensure_ascii=True, indent=0)
        f.write("\n")


main()
