#!/bin/sh
# Fills the corpus with the plain objects of fixtures/edge-cases, each with three sets of options (the last
# three bytes of an input; see fuzz_targets/decode.rs).
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/decode
find ../fixtures/edge-cases ../fixtures/song.json -type f -size -8k \
    ! -name expected.json ! -name '*.gz' ! -name '*.bz2' ! -name '*.zst' |
    while IFS= read -r file; do
        name=$(printf %s "$file" | cksum | cut -d' ' -f1)
        for options in '\000\000\000' '\000\001\041' '\037\002\150'; do
            { cat "$file"; printf "$options"; } >"corpus/decode/$name-$(printf %s "$options" | tr -d '\\')"
        done
    done
