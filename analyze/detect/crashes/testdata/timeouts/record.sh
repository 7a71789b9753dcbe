#!/bin/sh
# Records the time-outs of shop_test.go with the Go release named, into the current folder: record.sh go1.27.0
set -u
v=${1%.*}
GOTOOLCHAIN=$1 go test -c -trimpath -o shop.test . || exit 1
for t in Self Cycle Held Chan ChanPartner Loop Net Sub Table Parallel 'Par[AB]' Cleanup Sleep; do
	timeout -s QUIT 6 ./shop.test -test.run "^Test$t\$" -test.timeout 1s >"$v-$(echo "$t" | tr -d '[]' | tr A-Z a-z).txt" 2>&1
done
# Benchmarks run without the alarm: the go command ends them.
killed() { timeout -s QUIT 3 "$@" 2>&1; echo '*** Test killed with quit: ran too long (1m1s).'; }
killed ./shop.test -test.run XXX -test.bench Stuck >"$v-bench.txt"
STUCK=after killed ./shop.test -test.run XXX >"$v-after.txt"
timeout -s QUIT 3 ./shop.test -test.run Example_stuck -test.timeout 1s >"$v-example.txt" 2>&1
timeout -s QUIT 3 ./shop.test -test.run FuzzStuck -test.timeout 1s >"$v-fuzz.txt" 2>&1
GOTOOLCHAIN=$1 go test -json -trimpath -run TestSelf -timeout 1s . >"$v-json.txt" 2>&1
rm -f shop.test
