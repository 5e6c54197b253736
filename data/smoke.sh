#!/bin/sh
# Sentence pairs of the tests' own grammar, for `make reproduce SCALE=smoke`.
#   data/smoke.sh FOLDER
. "$(dirname "$0")/common.sh"
smoke=$(dirname "$ruminate")/tests/smoke
[ -x "$smoke" ] || stop "$smoke is missing: type make build/tests/smoke."
"$smoke" "$out"
