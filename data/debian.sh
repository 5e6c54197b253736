#!/bin/sh
# Real German-English pairs from Debian packages, without root: package descriptions and LibreOffice's help.
#   data/debian.sh FOLDER [flags of `ruminate data prepare`; else --min-words 2 --max-words 12]
# leaves train.tsv, valid.tsv, test.tsv and stats.json in FOLDER, and what was downloaded (about 25 MB) in
# FOLDER/download, so that a second run needs no network. The system's own apt sources are used.
. "$(dirname "$0")/common.sh"
[ $# -gt 0 ] || set -- --min-words 2 --max-words 12
helper=/usr/lib/apt/apt-helper

download() { # into $1
  mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
  # Given with -c it is read last: container images switch translations off. A private folder is not open to the
  # user that apt running as root hands its downloads to, hence the sandbox.
  cat >"$1/apt.conf" <<EOF
#clear Acquire::Languages;
Acquire::Languages { "de"; "en"; };
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
EOF
  echo "Fetching package indexes in German and English, and LibreOffice's help (about 25 MB) ..."
  apt "$1" update
  for l in de en; do
    ls "$1"/lists/*_i18n_Translation-$l* >/dev/null 2>&1 ||
      stop "the package archive that apt is set up for has no descriptions in language \"$l\"."
  done
  (cd "$1" && apt "$1" download libreoffice-help-de libreoffice-help-en-us)
}
apt() { # FOLDER COMMAND ...
  work=$1
  shift
  # The folder's name is no line of the file: apt reads commands there.
  apt-get -q -c "$work/apt.conf" -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" "$@" >"$work/log" 2>&1 &&
    return
  grep -E '^[EW]:' "$work/log" | tail -n 2 >&2
  stop "the network is missing, or the package archive cannot be reached (apt-get $1 failed, see above)."
}

if [ ! -s "$out/raw.tsv" ]; then
  for tool in apt-get dpkg-deb $helper; do
    command -v $tool >/dev/null || stop "apt is missing ($tool was not found), so there are no packages to take text from."
  done
  if [ ! -d "$out/download" ]; then
    download "$half/download"
    mv "$half/download" "$out/download"
  fi
  for l in de en; do $helper cat-file "$out"/download/lists/*_i18n_Translation-$l* >"$half/$l"; done
  for deb in "$out"/download/*.deb; do dpkg-deb -x "$deb" "$half/root"; done
  pages=$half/root/usr/share/libreoffice/help
  "$ruminate" data debian --index-de "$half/de" --index-en "$half/en" \
    --pages-de "$pages/de" --pages-en "$pages/en-US" --output "$out/raw.tsv"
fi
"$ruminate" data prepare --input "$out/raw.tsv" --output "$out" "$@"
