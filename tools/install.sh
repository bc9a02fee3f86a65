#!/bin/bash
# Installs those of tools/packages.txt's packages that are missing: tools/install.sh build demo check
# Needs root, or sudo, only then.
set -eu
cd "$(dirname "$0")"
wanted=$(awk -v uses=" $* " '!/^#/ && NF > 1 && index(uses, " " $2 " ") {print $1}' packages.txt)
missing=
for p in $wanted; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=" $p"
done
[ -n "$missing" ] || exit 0
echo "installing with apt:$missing"
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "become root, or run: apt-get install$missing" >&2; exit 1; }
    sudo=sudo
fi
log=$(mktemp /tmp/sekisho-apt.XXXXXX)
export DEBIAN_FRONTEND=noninteractive
if ! { $sudo apt-get -q update && $sudo apt-get -q -y install --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -20 "$log" >&2
    echo "apt failed; everything it said is in $log" >&2
    exit 1
fi
rm -f "$log"
