#!/bin/sh
# Plays of Shakespeare, 1.1 MB of plain text, as nanoGPT's examples use it (public domain): the first nine tenths to
# train on, the last for validation, in order.
#   data/shakespeare.sh FOLDER
# ARCHIVE=input.txt takes the file when it is already here instead of fetching it.
. "$(dirname "$0")/common.sh"
address=https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt
hash=86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed
bytes=1003854 # nine tenths of 1,115,394

text=${ARCHIVE:-$out/input.txt}
[ -s "$text" ] || [ -n "${ARCHIVE:-}" ] || fetch "$address" "$text"
sum() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; } # macOS has the second
[ "$(sum <"$text" | cut -d' ' -f1)" = $hash ] || stop "$text is not the file that is expected; remove it and try again."
head -c $bytes "$text" >"$half/train"
tail -c +$((bytes + 1)) "$text" >"$half/valid"
mv "$half/train" "$out/train.txt"
mv "$half/valid" "$out/valid.txt"
