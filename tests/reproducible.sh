#!/bin/bash
# tests/reproducible.sh FILE: a second build, of a copy of the tree in another folder, gives the same bytes as FILE.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
copy=$(mktemp -d /tmp/sekisho-reproducible.XXXXXX)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/a-folder-with-another-name"
cd "$copy/a-folder-with-another-name"
(cd "$root" && git -c safe.directory="$root" ls-files -z -co --exclude-standard | xargs -0 ls -d 2>/dev/null | tar -cf - -T -) | tar -xf -
cmake --workflow --preset product >build.log 2>&1 || { tail -20 build.log; exit 1; }
sha256sum "$1" build/product/sekisho.efi
cmp "$1" build/product/sekisho.efi
