package exectrace

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"inquest/internal/evidence/exectrace/wire"
)

// batches makes event batches of given sizes, as one generation with its end.
func batches(sizes ...int) []byte {
	b := []byte("go 1.26 trace\x00\x00\x00")
	for i, n := range sizes {
		b = append(b, wire.EventBatch, 1)
		for _, v := range []int{i % 3, 100 + i, n} {
			b = binary.AppendUvarint(b, uint64(v))
		}
		for range n {
			b = append(b, byte(10+i%40))
		}
	}
	return append(b, wire.EndOfGeneration)
}

// What is fed is what the parts of the file hold, however it is asked for; an
// end that comes with bytes is that of a batch and not of the generation.
func TestFeedGivesEveryByte(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	sizes := []int{0, 1, directRead - 1, directRead, directRead + 1, 65000, 3, 65000}
	file := batches(sizes...)
	g := generations(t, file)[0]
	tail := []byte{wire.EndOfGeneration}
	want := append(bytes.Clone(file), tail...)
	for range 50 {
		f := &feed{r: bytes.NewReader(file), parts: slices.Clone(g.parts), ends: true, ahead: file[:wire.HeaderSize], tail: tail}
		var got []byte
		ends := 0
		for len(got) <= len(want) {
			p := make([]byte, []int{1, 16, 4096, 65000, 1 << 17}[rng.IntN(5)])
			n, err := f.Read(p)
			got = append(got, p[:n]...)
			if err == io.EOF {
				if n == 0 {
					break
				}
				ends++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("fed %d bytes, want the %d of the file and its tail", len(got), len(want))
		}
		if ends > len(sizes) {
			t.Errorf("%d ends for %d batches", ends, len(sizes))
		}
	}
}

// The reader takes less than half the memory that it takes of a plain stream: what
// feed is for: the runtime fills batches to the 64 KB that are allowed. They hold no sense, which shows when all of them have been taken in.
func TestFeedSavesMemory(t *testing.T) {
	file := batches(slices.Repeat([]int{65510}, 200)...)
	taken := func(in io.Reader) uint64 {
		r, err := newReader(in)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for err == nil {
			_, err = r.ReadEvent()
		}
		runtime.ReadMemStats(&after)
		if err == io.EOF {
			t.Fatal("nothing was wrong with batches that hold no sense")
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	g := generations(t, file)[0]
	fed := taken(&feed{r: bytes.NewReader(file), parts: g.parts, ends: true, ahead: file[:wire.HeaderSize]})
	plain := taken(bytes.NewReader(file))
	if size := uint64(len(file)); fed < size || 2*fed > plain {
		t.Errorf("a generation of %d bytes took %d bytes, %d as a plain stream", size, fed, plain)
	}
}
