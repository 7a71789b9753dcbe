#!/bin/sh
# Records the traces in testdata/versions with every version of Go that the
# reader supports. Run in this directory's parent.
set -e
out=$PWD/testdata/versions
tmp=$(mktemp -d)
mkdir -p "$out"
for v in 1.21.13 1.22.12 1.23.12 1.24.9 1.25.5 1.26.8 1.27.0; do
	minor=$(echo $v | cut -d. -f1,2)
	mkdir -p "$tmp/$v" && cp testdata/record/*.go "$tmp/$v"
	(cd "$tmp/$v" && printf 'module record\n\ngo 1.21\n' >go.mod && GOFLAGS= GOTOOLCHAIN=go$v go build -trimpath -o record .)
	"$tmp/$v/record" "$out/go$minor.trace"
	if [ $minor = 1.26 ]; then
		"$tmp/$v/record" -tasks "$out/tasks.trace"
		"$tmp/$v/record" -procs "$out/gomaxprocs.trace"
		"$tmp/$v/record" -flight "$out/flight.trace"
	fi
done
rm -r "$tmp"
