#!/usr/bin/env bash
# Installs the Debian packages named as arguments that are missing; if it may not, says what to type.
set -u
missing=()
if command -v dpkg-query >/dev/null; then
  for p in "$@"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p")
  done
else
  # Several words, as the Makefile takes them: CXX="ccache g++".
  # shellcheck disable=SC2086
  compile() { ${CXX:-g++} -std=c++20 -x c++ -E - >/dev/null 2>&1; }
  compile </dev/null || { echo "ruminate needs a C++20 compiler, and ${CXX:-g++} is none here: install one, or name yours with CXX=..." >&2; exit 1; }
  have() { printf '#include <%s>\n' "$1" | compile; }
  for h in fmt/format.h gtest/gtest.h unicode/uchar.h zlib.h lzma.h zstd.h bzlib.h CLI/CLI.hpp toml++/toml.h nlohmann/json.hpp curl/curl.h httplib.h editline/readline.h; do
    have "$h" || missing+=("$h")
  done
  [ ${#missing[@]} -eq 0 ] && exit 0
  echo "ruminate needs these headers: ${missing[*]}. This is not a Debian system (it has no dpkg): install them with" \
       "your distribution's packages of fmt, GoogleTest, ICU, zlib, liblzma, zstd, bzip2, CLI11, toml++, nlohmann-json, libcurl, cpp-httplib and libedit." >&2
  exit 1
fi
[ ${#missing[@]} -eq 0 ] && exit 0
command="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" = 0 ]; then
  sudo=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  sudo="sudo -n"
else
  echo "ruminate needs Debian packages but may not install them (neither root nor sudo). Please run: sudo $command" >&2
  exit 1
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
$sudo $command >/dev/null 2>&1 || { $sudo apt-get update -q >/dev/null && $sudo $command >/dev/null; } || {
  echo "apt-get could not install them: is there a network? To see why: $command" >&2
  exit 1
}
