#!/bin/bash
# Every C file of ours is as clang-format would write it.
set -eu
cd "$(dirname "$0")/.."
git -c safe.directory="$PWD" ls-files -z -co --exclude-standard '*.c' '*.h' | xargs -0 ls -d 2>/dev/null |
    xargs -d '\n' clang-format --dry-run -Werror
