#!/bin/sh
# The pairs of data/debian.sh, of which 5,000 are held out for testing: enough to tell remedies apart.
#   data/debian-5000.sh FOLDER [flags of `ruminate data prepare`; else --min-words 2 --max-words 12 --test 5000]
[ $# -ne 1 ] || set -- "$1" --min-words 2 --max-words 12 --test 5000
. "$(dirname "$0")/debian.sh" # not a process of its own: messages name this script
