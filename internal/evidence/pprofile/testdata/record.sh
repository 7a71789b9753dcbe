#!/bin/sh
# Records the profiles of this folder: record.sh VERSION..., such as record.sh go1.22.12 go1.27.0
# A profile names the program's own path, so the program is built where one would install it.
set -eu
here=$(dirname "$(readlink -f "$0")")
work=/opt/inquest-prog
mkdir "$work"
trap 'rm -rf "$work"' EXIT
for version; do
	mkdir "$work/$version"
	cp "$here/prog/main.go" "$work/$version"
	cd "$work/$version"
	printf 'module prog\n\ngo 1.22\n' > go.mod
	CGO_ENABLED=0 GOTOOLCHAIN=$version go build -trimpath -o prog .
	out=$here/$(echo "$version" | cut -d. -f1,2)
	mkdir -p "$out"
	cd "$out"
	"$work/$version/prog"
done
