#!/bin/sh
# Records the traces in testdata/versions with every version of Go that the
# reader supports. Run in this directory's parent.
set -e
out=$PWD/testdata/versions
tmp=$(mktemp -d)
mkdir -p "$out"

# record VERSION NAME [FLAG...] tries again while a trace comes out big: now and
# then the sweeper yields tens of thousands of times.
record() {
	prog=$tmp/$1/record file=$out/$2.trace
	shift 2
	for try in 1 2 3 4 5 6 7 8 9 10; do
		"$prog" "$@" "$file"
		[ "$(wc -c <"$file")" -gt 130000 ] || return 0
	done
}

for v in 1.21.13 1.22.12 1.23.12 1.24.9 1.25.5 1.26.8 1.27.0; do
	minor=$(echo $v | cut -d. -f1,2)
	mkdir -p "$tmp/$v" && cp testdata/record/*.go "$tmp/$v"
	(cd "$tmp/$v" && printf 'module record\n\ngo 1.21\n' >go.mod && GOFLAGS= GOTOOLCHAIN=go$v go build -trimpath -o record .)
	record $v go$minor
	case $minor in
	1.24) record $v long$minor -light -for 4200ms ;;
	1.26)
		record $v long$minor -light -for 4200ms
		record $v tasks -tasks
		record $v gomaxprocs -procs
		record $v flight -flight
		;;
	esac
done
rm -r "$tmp"
