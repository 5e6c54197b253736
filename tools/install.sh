#!/usr/bin/env bash
# Installs the program, the configs and the completion for bash: install.sh build/ruminate /usr/local
set -eu
program=$(realpath -m -- "$1") prefix=$(realpath -m -- "$2") # as the caller names them, who may be elsewhere
unset CDPATH
cd "$(dirname "$0")/.."
[ -x "$program" ] || { echo "make install: there is no $1 yet: build it with make all" >&2; exit 1; }
install -D -m 755 "$program" "$prefix/bin/ruminate"
install -D -m 644 tools/completion.bash "$prefix/share/bash-completion/completions/ruminate"
while read -r config; do
  install -D -m 644 "data/configs/$config" "$prefix/share/ruminate/configs/$config"
done < <(cd data/configs && find . -name '*.toml')
echo "installed $prefix/bin/ruminate, and the configs in $prefix/share/ruminate/configs"
