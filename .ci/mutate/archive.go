package mutate

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"math/rand/v2"
	"strings"
)

// memberNames are names that must neither leave the archive nor confuse the report.
var memberNames = []string{
	"../../escape", "/etc/passwd", `C:\windows\x`, "a/./b//c", "-rf", "a\nb", "con", ".hidden", "x.md", strings.Repeat("d/", 300) + "deep", "", "a\x00b",
}

// archiveMutant packs data and copies of it under odd names, and damages what comes of it now and then.
func archiveMutant(data []byte, r *rand.Rand) []byte {
	var out bytes.Buffer
	names := []string{"member"}
	for range 1 + r.IntN(6) {
		names = append(names, pick(memberNames, r))
	}
	if r.IntN(2) == 0 {
		w := zip.NewWriter(&out)
		for _, name := range names {
			if f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate}); err == nil {
				_, _ = f.Write(data)
			}
		}
		_ = w.Close()
	} else {
		z := gzip.NewWriter(&out)
		w := tar.NewWriter(z)
		for _, name := range names {
			h := &tar.Header{Name: name, Size: int64(len(data)), Mode: 0o600, Typeflag: pick([]byte{tar.TypeReg, tar.TypeReg, tar.TypeReg, tar.TypeSymlink, tar.TypeFifo}, r), Linkname: "/etc/passwd"}
			if h.Typeflag != tar.TypeReg {
				h.Size = 0
			}
			if w.WriteHeader(h) == nil && h.Size > 0 {
				_, _ = w.Write(data)
			}
		}
		_ = w.Close()
		_ = z.Close()
	}
	if b := out.Bytes(); r.IntN(3) == 0 {
		return bend(b, r)
	}
	return out.Bytes()
}
