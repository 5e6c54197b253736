#!/usr/bin/env bash
# `make train`: finds or builds the corpus, then trains, resumes, or says that everything is done.  train.sh CORPUS [DATA]
# RUMINATE=build/ruminate: the program
set -u
unset CDPATH
export RUMINATE=${RUMINATE:-build/ruminate}
corpus=$1 data=${2:-}
config=data/configs/translate.toml run=runs/translate
short=(--max-words 30 --max-characters 240)  # so that no pair is longer than the model's context
if [ -n "$data" ]; then
  [ -f "$data" ] || { echo "make train: DATA=$data is not a file; expected source<TAB>target lines" >&2; exit 1; }
  case $data in *[[:cntrl:]]*) printf 'make train: DATA=%q: expected a name without control characters\n' "$data" >&2; exit 1 ;; esac
  name=$(basename -- "${data%%.tsv*}")-$(cksum <"$data" | cut -d' ' -f1)
  folder=data/cache/$name run=runs/translate-$name
  [ -f "$folder/stats.json" ] || "$RUMINATE" data prepare --input "$data" --output "$folder" "${short[@]}" || exit 1
else
  folder=data/cache/$corpus flags=() last=stats.json
  case $corpus in
    debian) ;;
    tatoeba) run=runs/translate-tatoeba ;;
    europarl) flags=("${short[@]}") run=runs/translate-europarl ;;
    shakespeare) config=data/configs/shakespeare.toml run=runs/shakespeare last=valid.txt ;;
    *) echo "make train: no corpus \"$corpus\"; known: debian, tatoeba, europarl, shakespeare; or name your own pairs with DATA=pairs.tsv" >&2; exit 1 ;;
  esac
  [ -f "$folder/$last" ] || bash "data/$corpus.sh" "$folder" "${flags[@]}" || exit 1
fi
files=(--set "data.train=$folder/train.tsv" --set "data.valid=$folder/valid.tsv" --set "data.test=$folder/test.tsv")
[ "$corpus" != shakespeare ] || [ -n "$data" ] || files=()  # the config names them
if ls "$run"/checkpoints/*.ckpt >/dev/null 2>&1; then # the name itself may hold glob signs
  if [ -f "$run/results.json" ]; then
    echo "$run is finished:"
    "$RUMINATE" inspect "$run" || exit 1
  else
    "$RUMINATE" train --resume "$run"
  fi
else
  "$RUMINATE" train "$config" --set run.folder="$run" "${files[@]}"
fi
status=$?
[ $status = 130 ] && { echo "stopped; \`make train\` picks up where it stopped"; exit 130; }
[ $status = 0 ] || exit $status
if [ "$config" = data/configs/shakespeare.toml ]; then
  write=("$RUMINATE" generate "$run" --prompt ROMEO: --max-new 500 --temperature 0.8)
  printf '\n'
  "${write[@]}" || exit 1
  printf '\nNext, for another passage:\n  %s --seed 2\n' "${write[*]}"
  exit
fi
printf -v quoted %q "$run"
cat <<EOT

Next:
  echo 'Dieses Paket enthält die Dokumentation.' | $RUMINATE translate $quoted --input - --output -
  $RUMINATE inspect $quoted
  make train CORPUS=tatoeba        (or CORPUS=europarl, CORPUS=shakespeare, or DATA=pairs.tsv)
EOT
