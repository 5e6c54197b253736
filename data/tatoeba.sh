#!/bin/sh
# Everyday sentences, German-English: Tatoeba's pairs as manythings.org gives them out (CC BY 2.0 FR).
#   data/tatoeba.sh FOLDER [flags of `ruminate data prepare`; else --max-words 12 --test 5000]
# ARCHIVE=deu-eng.zip takes an archive that is already here instead of fetching it (about 10 MB).
. "$(dirname "$0")/common.sh"
[ $# -gt 0 ] || set -- --max-words 12 --test 5000

# The text inside the archive, to standard output.
unpack() {
  if command -v unzip >/dev/null; then
    unzip -p "$1" deu.txt
  elif command -v bsdtar >/dev/null; then
    bsdtar -xOf "$1" deu.txt
  elif command -v python3 >/dev/null; then
    python3 -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read("deu.txt"))' "$1"
  else
    stop 'unzip is missing: install it (apt-get install unzip).'
  fi
}

if [ ! -s "$out/raw.tsv" ]; then
  archive=${ARCHIVE:-$out/deu-eng.zip}
  [ -s "$archive" ] || [ -n "${ARCHIVE:-}" ] || fetch https://www.manythings.org/anki/deu-eng.zip "$archive"
  [ -s "$archive" ] || stop "$archive is missing or empty."
  unpack "$archive" >"$half/text" || stop "$archive: deu.txt cannot be read from it; remove it and try again."
  # English, German, attribution.
  awk -F '\t' 'NF < 2 { exit 1 } { print $2 "\t" $1 }' "$half/text" >"$half/raw" ||
    stop "$archive: a line of deu.txt has no tab; expected English<TAB>German."
  mv "$half/raw" "$out/raw.tsv"
fi
"$ruminate" data prepare --input "$out/raw.tsv" --output "$out" "$@"
