#!/bin/bash
# tests/alone.sh LIBRARY BUILD-FOLDER: the library configures and builds by itself, without the rest of the tree.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cmake -S "$root/$1" -B "$2" -G Ninja -DCMAKE_C_COMPILER=gcc
cmake --build "$2"
