#!/usr/bin/env bash
# `make reproduce`: fetches the corpus of a scale, runs or resumes its experiment, and writes the report.
# reproduce.sh SCALE [GROUP...]      RUMINATE=build/ruminate, the program
set -u
unset CDPATH
scale=$1
shift
export RUMINATE=${RUMINATE:-build/ruminate}
config=data/configs/experiments/$scale.toml
[ -f "$config" ] || {
  echo "make reproduce: no scale \"$scale\"; known: $(cd data/configs/experiments && echo *.toml | sed 's/\.toml//g')" >&2
  exit 1
}
folder=$(sed -nE 's/^train = "(.*)\/train\.tsv"$/\1/p' "$config")
[ -n "$folder" ] || {
  echo "make reproduce: $config names no corpus below data/cache" >&2
  exit 1
}
name=${folder#data/cache/}
[[ $name =~ ^[a-z0-9-]+$ ]] && [ -f "data/$name.sh" ] || { # a config names no script elsewhere
  echo "make reproduce: $config names data/cache/$name, but there is no data/$name.sh to make it" >&2
  exit 1
}
last=stats.json
[ "$name" != smoke ] || last=outside.jsonl
[ -f "$folder/$last" ] || bash "data/$name.sh" "$folder" || exit 1
groups=()
for group; do groups+=(--group "$group"); done # beside a positional argument a flag takes one value
"$RUMINATE" experiment run "$config" "${groups[@]}" || exit $?
"$RUMINATE" experiment report "$config" "${groups[@]}"
