#!/bin/bash
# tests/example.sh PRODUCT-BUILD FOLDER: install the libraries under FOLDER/prefix and build examples/minimal as an outside
# project that knows only this place. Leaves FOLDER/build/minimal.efi.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
rm -rf "$2"
cmake --install "$1" --prefix "$2/prefix"
mkdir -p "$2/source"
cp "$root"/examples/minimal/* "$2/source/"
cmake -S "$2/source" -B "$2/build" -G Ninja -DCMAKE_C_COMPILER=gcc -DCMAKE_PREFIX_PATH="$2/prefix" -DCMAKE_C_FLAGS=-Werror
cmake --build "$2/build"
"$root/tests/pe.py" "$2/build/minimal.efi"
test "$(wc -l <"$root/examples/minimal/minimal.c")" -lt 150
