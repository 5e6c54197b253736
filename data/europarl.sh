#!/bin/sh
# Europarl release 7, German-English: debates of the European Parliament, 1.9 million pairs (Koehn 2005).
#   data/europarl.sh FOLDER [flags of `ruminate data prepare`; else --min-words 2 --max-words 50 --ratio 2.5 --valid 2000 --test 10000]
# The site publishes no checksum, so what was fetched is known by its size: release 7 has 1,920,209 pairs.
# ARCHIVE=de-en.tgz takes an archive that is already here instead of fetching it (about 190 MB).
. "$(dirname "$0")/common.sh"
[ $# -gt 0 ] || set -- --min-words 2 --max-words 50 --ratio 2.5 --valid 2000 --test 10000

if [ ! -s "$out/raw.tsv" ]; then
  archive=${ARCHIVE:-$out/de-en.tgz}
  [ -s "$archive" ] || [ -n "${ARCHIVE:-}" ] || fetch https://www.statmt.org/europarl/v7/de-en.tgz "$archive"
  [ -s "$archive" ] || stop "$archive is missing or empty."
  # Members are read by name to standard output: whatever else the archive holds is not unpacked.
  for l in de en; do
    tar -xzO "europarl-v7.de-en.$l" <"$archive" >"$half/$l" 2>"$half/log" ||
      stop "$archive: europarl-v7.de-en.$l cannot be read from it ($(tail -n 1 "$half/log")); remove it and try again."
    [ "$(tail -c 1 "$half/$l" | wc -l)" -eq 1 ] || echo >>"$half/$l"
  done
  lines() { wc -l <"$half/$1" | tr -d ' '; }
  [ "$(lines de)" = "$(lines en)" ] || stop "$archive: $(lines de) German lines, $(lines en) English ones; expected as many."
  [ -n "${ARCHIVE:-}" ] || [ "$(lines de)" = 1920209 ] ||
    stop "$archive: $(lines de) pairs, expected the 1920209 of release 7; remove it and try again."
  for l in de en; do tr '\t' ' ' <"$half/$l" >"$half/$l.plain"; done
  paste "$half/de.plain" "$half/en.plain" >"$half/raw"
  mv "$half/raw" "$out/raw.tsv"
fi
"$ruminate" data prepare --input "$out/raw.tsv" --output "$out" --skip-bad "$@"
