#!/bin/sh
# Records the dumps of this folder: record.sh VERSION MODE [ENV=VALUE...] > FILE
# such as: record.sh go1.22.12 quit GOTRACEBACK=system > quit-system-go1.22.txt
# MODE bubble is the goroutines of a synctest bubble, from Go 1.25 on.
set -eu
version=$1 mode=$2
shift 2
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ "$mode" = bubble ]; then
	cp "$here/bubble/bubble_test.go" "$work"
	cd "$work"
	printf 'module bubble\n\ngo 1.25\n' > go.mod
	CGO_ENABLED=0 GOTOOLCHAIN=$version go test -trimpath -c -o prog .
	for test in Dump Stuck Lock; do
		env "$@" ./prog -test.run "^Test$test\$" 2>&1 || echo "exit status $?"
	done
	exit
fi
cp "$here/prog/main.go" "$work"
cd "$work"
lang=${LANG_VERSION:-1.22}
printf 'module prog\n\ngo %s\n' "$lang" > go.mod
CGO_ENABLED=0 GOTOOLCHAIN=$version go build -trimpath -o prog .
env "$@" ./prog "$mode" 2>&1 || echo "exit status $?"
