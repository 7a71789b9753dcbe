#!/bin/sh
# Records the dumps of this folder: record.sh VERSION MODE [ENV=VALUE...] > FILE
# such as: record.sh go1.22.12 quit GOTRACEBACK=system > quit-system-go1.22.txt
set -eu
version=$1 mode=$2
shift 2
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/prog/main.go" "$work"
cd "$work"
lang=${LANG_VERSION:-1.22}
printf 'module prog\n\ngo %s\n' "$lang" > go.mod
CGO_ENABLED=0 GOTOOLCHAIN=$version go build -trimpath -o prog .
env "$@" ./prog "$mode" 2>&1 || echo "exit status $?"
