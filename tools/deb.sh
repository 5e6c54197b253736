#!/usr/bin/env bash
# Makes a Debian package of what `make all` built: deb.sh build/ruminate build/ruminate.deb
set -eu
umask 022 # whatever the user's is: apt reads the package as another user
program=$(realpath -m -- "$1") deb=$(realpath -m -- "$2") # as the caller names them, who may be elsewhere
unset CDPATH
cd "$(dirname "$0")/.."
[ -x "$program" ] || { echo "make deb: there is no $1 yet: build it with make all" >&2; exit 1; }
root=$(mktemp -d) # which is for one user alone: it becomes the package's /
chmod 755 "$root"
trap 'rm -rf "$root"' EXIT
bash tools/install.sh "$program" "$root/usr" >/dev/null
install -D -m 644 README.md "$root/usr/share/doc/ruminate/README.md"
install -D -m 644 LICENSE "$root/usr/share/doc/ruminate/copyright"
strip --strip-unneeded "$root/usr/bin/ruminate"
# The packages that own the libraries which the program names, as they are installed here.
libraries=$(objdump -p "$program" | awk '$1 == "NEEDED" { print $2 }')
packages=$(for library in $libraries; do
  path=$(ldd "$program" | awk -v l="$library" '$1 == l { print $3 }')
  # Debian moved /lib into /usr/lib; packages may still list the old place.
  package=$({ dpkg-query -S "$(realpath "$path")" || dpkg-query -S "$path" || dpkg-query -S "${path#/usr}"; } 2>/dev/null | head -n 1 | cut -d: -f1)
  [ -n "$package" ] || { echo "make deb: $path belongs to no package, and the program needs it: build with the library of a package" >&2; exit 1; }
  echo "$package"
done)
depends=$(sort -u <<<"$packages" | while read -r package; do
  echo "$package (>= $(dpkg-query -W -f='${Version}' "$package" | sed 's/[+-][^+-]*$//'))"
done | paste -sd, | sed 's/,/, /g')
version=$("$program" --version | awk '{ print $2 }' | tr -cd 'A-Za-z0-9.+~')
date=$(git log -1 --format=%cd --date=format:%Y%m%d 2>/dev/null || date +%Y%m%d)
mkdir -p "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<END
Package: ruminate
Version: 1~$date.$version
Architecture: $(dpkg --print-architecture)
Maintainer: The Ruminate authors <ruminate@localhost>
Installed-Size: $(du -sk "$root/usr" | cut -f1)
Depends: $depends
Recommends: ca-certificates
Section: science
Priority: optional
Description: laboratory for regurgitative training of language models
 Trains small transformers from scratch on a CPU or GPU, generates with them,
 measures corpora, tells machine text from human text, and runs the experiments
 of "Regurgitative Training" (arXiv 2407.12835). Built for: $("$program" --version | grep -o 'march=[^ ]*').
END
dpkg-deb --root-owner-group --build "$root" "$deb" >/dev/null
printf 'made %s: apt install %q\n' "$2" "$deb"
