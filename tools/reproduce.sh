#!/usr/bin/env bash
# `make reproduce`: fetches the corpus of a scale, runs its experiment or goes on with it, and writes the report.
# reproduce.sh SCALE [CORPUS]
set -u
scale=$1 corpus=${2:-}
config=data/configs/experiments/$scale.toml
[ -f "$config" ] || {
  echo "make reproduce: no scale \"$scale\"; there are $(cd data/configs/experiments && echo *.toml | sed 's/\.toml//g')" >&2
  exit 1
}
# The corpus that the config names, unless another one is asked for.
folder=$(sed -nE 's/^train = "(.*)\/train\.tsv"$/\1/p' "$config")
flags=()
if [ -n "$corpus" ]; then
  folder=data/cache/$corpus
  flags=(--data "$folder" --folder "runs/experiments/$scale-$corpus")
fi
name=${folder#data/cache/}
[ -f "data/$name.sh" ] || {
  echo "make reproduce: no corpus \"$name\"; there are debian, tatoeba, europarl" >&2
  exit 1
}
[ -f "$folder/stats.json" ] || bash "data/$name.sh" "$folder" || exit 1
build/ruminate experiment run "$config" "${flags[@]}" || exit $?
build/ruminate experiment report "$config" "${flags[@]}"
