#!/bin/sh
# Records what the runtime of a Go version prints: record.sh go1.26.8 > go1.26.txt
set -eu
version=$1
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/prog/main.go" "$work"
cd "$work"
printf 'module prog\n\ngo 1.21\n' > go.mod
sed -i 's/range 64/i := 0; i < 64; i++/' main.go
CGO_ENABLED=0 GOTOOLCHAIN=$version go build -trimpath -o prog .
GOMAXPROCS=3 GODEBUG=gctrace=1,schedtrace=100 ./prog 2>&1
