#!/bin/sh
# Real German-English pairs from Debian packages, without root: package descriptions and LibreOffice's help.
#   data/debian.sh FOLDER [flags of `ruminate data prepare`]
# leaves train.tsv, valid.tsv, test.tsv and stats.json in FOLDER, and what was downloaded (about 25 MB) in
# FOLDER/download, so that a second run needs no network. The system's own apt sources are used.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
ruminate=${RUMINATE:-$here/build/ruminate}

stop() {
  printf 'data/debian.sh: %s\n' "$1" >&2
  printf 'With sentence pairs of your own (one source<TAB>target a line): make train DATA=pairs.tsv\n' >&2
  exit 1
}
[ $# -ge 1 ] || { echo 'usage: data/debian.sh FOLDER [flags of `ruminate data prepare`]' >&2; exit 2; }
[ -x "$ruminate" ] || { echo "data/debian.sh: $ruminate is missing: type make" >&2; exit 1; }
mkdir -p "$1" || exit 1
out=$(cd "$1" && pwd)
shift

if [ ! -s "$out/raw.tsv" ]; then
  for tool in apt-get dpkg-deb; do
    command -v $tool >/dev/null || stop "apt is missing ($tool was not found), so there are no packages to take text from."
  done
  helper=/usr/lib/apt/apt-helper
  [ -x $helper ] || stop "apt is missing ($helper was not found)."

  # What is half made has another name, and goes when this ends, in whichever way.
  part=$out/download.part work=$out/work.part
  trap 'rm -rf "$part" "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if [ ! -d "$out/download" ]; then
    rm -rf "$part"
    mkdir -p "$part/lists/partial" "$part/cache/archives/partial"
    # Given with -c it is read last: container images switch translations off. A private folder is not open to the
    # user that apt running as root hands its downloads to.
    cat >"$part/apt.conf" <<EOF
#clear Acquire::Languages;
Acquire::Languages { "de"; "en"; };
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
APT::Sandbox::User "root";
Dir::State::lists "$part/lists";
Dir::Cache "$part/cache";
EOF
    echo 'Fetching the package indexes in German and English, and LibreOffice'\''s help (about 25 MB) ...'
    apt() {
      apt-get -q -c "$part/apt.conf" "$@" >"$part/log" 2>&1 || {
        grep -E '^[EW]:' "$part/log" | tail -n 2 >&2 || tail -n 2 "$part/log" >&2
        stop "the network is missing, or the package archive cannot be reached (apt-get $1 failed, see above)."
      }
    }
    apt -o APT::Update::Error-Mode=any update
    for l in de en; do
      ls "$part"/lists/*_i18n_Translation-$l* >/dev/null 2>&1 ||
        stop "the package archive that apt is set up for has no descriptions in language \"$l\"."
    done
    (cd "$part" && apt download libreoffice-help-de libreoffice-help-en-us)
    mv "$part" "$out/download"
  fi

  rm -rf "$work"
  mkdir "$work"
  for l in de en; do $helper cat-file "$out"/download/lists/*_i18n_Translation-$l* >"$work/$l"; done
  for deb in "$out"/download/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
  pages=$work/root/usr/share/libreoffice/help
  "$ruminate" data debian --index-de "$work/de" --index-en "$work/en" \
    --pages-de "$pages/de" --pages-en "$pages/en-US" --output "$out/raw.tsv"
fi

"$ruminate" data prepare --input "$out/raw.tsv" --output "$out" --min-words 2 --max-words 12 "$@"
