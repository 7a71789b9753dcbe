package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// extremes are numbers at which arithmetic wraps.
var extremes = []int64{math.MinInt64, math.MinInt64 + 1, -1 << 62, -1 << 53, -1, 0, 1, 1 << 31, 1 << 53, 1 << 62, math.MaxInt64 - 1, math.MaxInt64}

func extreme(r *rand.Rand) int64 { return extremes[r.IntN(len(extremes))] }

// extremeProfile puts extremes into the values, times and periods of a profile.
func extremeProfile(t *testing.T, data []byte, r *rand.Rand) []byte {
	p, err := profile.ParseData(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Sample {
		for i := range s.Value {
			if r.IntN(3) == 0 {
				s.Value[i] = extreme(r)
			}
		}
	}
	for _, n := range []*int64{&p.TimeNanos, &p.DurationNanos, &p.Period} {
		if r.IntN(3) == 0 {
			*n = extreme(r)
		}
	}
	for _, l := range p.Location {
		for i := range l.Line {
			if r.IntN(20) == 0 {
				l.Line[i].Line = extreme(r)
			}
		}
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var aNumber = regexp.MustCompile(`\d+`)

// extremeText puts extremes into the numbers of a text.
func extremeText(data []byte, r *rand.Rand) []byte {
	often := 2 + r.IntN(40)
	return aNumber.ReplaceAllFunc(data, func(n []byte) []byte {
		if r.IntN(often) != 0 {
			return n
		}
		switch r.IntN(4) {
		case 0:
			return fmt.Append(nil, uint64(extreme(r)))
		case 1:
			return fmt.Append(nil, extreme(r))
		case 2:
			return bytes.Repeat([]byte("9"), 1+r.IntN(25))
		default:
			return []byte("0")
		}
	})
}

// impossible finds numbers that nothing measured can be, wherever they stand in a report.
func impossible(path string, v any, bad func(string)) {
	switch v := v.(type) {
	case map[string]any:
		if n, ok := v["number"].(float64); ok {
			unit, _ := v["unit"].(string)
			if (unit == "share" || unit == "ns") && n < 0 || unit == "share" && n > 1.0000001 && !strings.HasSuffix(path, ".noise") && !strings.HasSuffix(path, ".detectable") && !strings.Contains(path, "change") {
				bad(fmt.Sprintf("%s: %v %s %v", path, n, unit, v["says"]))
			}
		}
		for key, x := range v {
			if n, ok := x.(float64); ok && strings.HasSuffix(key, "_ns") && n < 0 {
				bad(fmt.Sprintf("%s.%s: %v", path, key, n))
			}
			if q, ok := x.(map[string]any); ok && v["says"] != nil {
				q["says"] = v["says"]
			}
			impossible(path+"."+key, x, bad)
		}
	case []any:
		for _, x := range v {
			impossible(path, x, bad)
		}
	}
}

var impossibleText = regexp.MustCompile(`(^|[\s(])-\d[\d.,]* ?(ns|µs|ms|s|min|h|%)\b|(^|[\s(])-\d+(h|m)\d|\bNaN\b|[+-]?\bInf\b|(^|[\s(])(1[1-9]\d|[2-9]\d\d|\d{1,3}(,\d{3})+) %`)

// Whatever numbers evidence holds, no report names a share below nothing or above all,
// a time that is negative, or what is no number.
func TestExtremeNumbers(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	var seeds []string
	for _, pattern := range []string{"../fixtures/[^u]*/*/*.pb.gz", "../fixtures/[^u]*/*/*.txt", "../fixtures/[^u]*/*/*.log"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		seeds = append(seeds, files...)
	}
	r := rand.New(rand.NewPCG(5, 6))
	r.Shuffle(len(seeds), func(i, j int) { seeds[i], seeds[j] = seeds[j], seeds[i] })
	dir := t.TempDir()
	for round := range rounds {
		from := filepath.Join(dir, fmt.Sprint(round))
		if err := os.Mkdir(from, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range 8 {
			name := seeds[(round*8+i)%len(seeds)]
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if len(data) > 300<<10 {
				continue
			}
			if strings.HasSuffix(name, ".pb.gz") {
				data = extremeProfile(t, data, r)
			} else {
				data = extremeText(data, r)
			}
			if err := os.WriteFile(filepath.Join(from, fmt.Sprint(i, "-", filepath.Base(name))), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{{"analyze", "-q", "-f", "json", from}, {"diff", "-q", "-f", "json", filepath.Join(dir, "0"), from}, {"analyze", "-q", "-f", "text", from}} {
			code, stdout, stderr := run(nil, args...)
			if code > exitFindings && code != exitInconclusive || strings.Contains(stdout+stderr, "please report it") {
				t.Errorf("%v: exit code %d: %.600s", args, code, stderr)
			}
			if args[3] == "text" {
				for line := range strings.Lines(stdout) {
					if found := impossibleText.FindString(line); found != "" && !strings.Contains(line, "as CPU time;") { // of one processor, where nobody knows how many
						t.Errorf("%v: %q in %s", args, found, line)
					}
				}
				continue
			}
			var doc any
			if err := json.Unmarshal([]byte(stdout), &doc); err != nil {
				t.Errorf("%v: %v", args, err)
				continue
			}
			impossible("", doc, func(what string) { t.Errorf("%v: %s", args, what) })
		}
	}
}
