# What the corpus scripts share; each sources it first: . "$(dirname "$0")/common.sh" FOLDER
# Sets out (the folder, made when missing, removed again if nothing came of it), half (a folder in it for unfinished
# files, removed however the script ends) and ruminate (our program).
set -eu
unset CDPATH
name=data/$(basename "$0")
ruminate=${RUMINATE:-$(cd "$(dirname "$0")/.." && pwd)/build/ruminate}

# Says what is missing and what to type instead, then exits.
stop() {
  printf '%s: %s\n' "$name" "$1" >&2
  printf 'With sentence pairs of your own (one source<TAB>target a line): make train DATA=pairs.tsv\n' >&2
  exit 1
}

# fetch ADDRESS FILE: FILE appears whole or not at all. Nothing leads to an unencrypted address.
fetch() {
  echo "Fetching $(basename "$1") ..."
  if command -v curl >/dev/null; then
    curl -fsSL --proto =https --proto-redir =https --retry 2 --connect-timeout 20 -o "$half/fetched" "$1" || stop "the network is missing, or $1 cannot be reached."
  elif command -v wget >/dev/null; then
    wget -nv --https-only --max-redirect 0 -t 2 -T 20 -O "$half/fetched" "$1" || stop "the network is missing, or $1 cannot be reached."
  else
    stop 'curl and wget are both missing: install one (apt-get install curl).'
  fi
  mv "$half/fetched" "$2"
}

usage() { sed -n 's/^# *\(data.*sh FOLDER\)/usage: \1/p' "$0"; } # as its first lines say
[ $# -ge 1 ] || { usage >&2; exit 2; }
case $1 in
-h | --help) usage; exit ;;
-*) echo "$name: expected a folder, found $1 (as a folder: ./$1)" >&2; exit 2 ;; # `cd -` would go elsewhere
esac
case ${ARCHIVE:-} in -*) ARCHIVE=./$ARCHIVE ;; esac
[ -x "$ruminate" ] || { echo "$name: $ruminate is missing: type make" >&2; exit 1; }
old=
[ ! -d "$1" ] || old=1
mkdir -p -- "$1" || exit 1
out=$(cd -- "$1" && pwd)
shift
half=$(mktemp -d "$out/ruminate-XXXXXXXX.part")
trap 'rm -rf "$half"; [ -n "$old" ] || rmdir "$out" 2>/dev/null || :' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
