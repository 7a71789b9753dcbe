#!/bin/sh
# Records every crash of crashes/main.go, one after the other as in the log of a
# program that is restarted: crashes.sh go1.26.8 > crashes-go1.26.txt
# With a second argument, the reports of the race detector: crashes.sh go1.26.8 race > race-go1.26.txt
# or the crashes of rare/main.go: crashes.sh go1.26.8 rare > rare-go1.26.txt
set -eu
version=$1
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case "${2:-}" in
rare) cp "$here/rare/main.go" "$work" ;;
*) cp "$here/crashes/main.go" "$work" ;;
esac
cd "$work"
printf 'module crashes\n\ngo 1.22\n' > go.mod
if [ "${2:-}" = race ]; then
	CGO_ENABLED=1 GOTOOLCHAIN=$version go build -race -trimpath -o prog .
	./prog race 2>&1 || echo "exit status $?"
	exit
fi
CGO_ENABLED=0 GOTOOLCHAIN=$version go build -trimpath -o prog .
if [ "${2:-}" = rare ]; then
	for mode in mapget bounds unhashable runlock rwunlock reused limit pointer fault; do
		echo "2026-09-01T12:00:00Z INFO starting mode=$mode"
		(
			if [ $mode = limit ]; then ulimit -v 1000000; fi
			GOTRACEBACK=single GOMAXPROCS=4 ./prog $mode 2>&1
		) || echo "exit status $?"
	done
	exit
fi
for mode in maps mapread deadlock overflow memory size threads unlock nil nilmap send close closenil index divide \
	assertion waitgroup explicit guarded repanic logged served; do
	echo "2026-09-01T12:00:00Z INFO starting mode=$mode"
	GOTRACEBACK=single GOMAXPROCS=4 ./prog $mode 2>&1 || echo "exit status $?"
done
