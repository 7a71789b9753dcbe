package pprofile

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// raw is a profile as go tool pprof -raw prints it (google/pprof, profile.Profile.String): all of
// it, samples first, with the numbers of the locations that are listed below them.
type raw struct {
	profile   *Profile
	section   string // "Samples", "Locations", "Mappings"
	samples   []rawSample
	locations map[uint64][]rawFrame
	last      uint64 // the location that callers are listed of
	mappings  map[uint64]string
	damaged   int // lines that do not fit their section
	left      int // samples and locations beyond the bounds
	err       error
}

type rawSample struct {
	at []uint64
	Sample
}

type rawFrame struct {
	stack.Frame
	mapping uint64
}

var (
	rawLocation = regexp.MustCompile(`^(?:(\d+): 0x[0-9a-f]+ (?:M=(\d+) )?(?:\[F\] ?)?)?(?:(\S.*?)? ?(\S*?):(\d+)(?::\d+)? s=-?\d+\S*)?$`)
	rawMapping  = regexp.MustCompile(`^(\d+): 0x[0-9a-f]+/0x[0-9a-f]+/0x[0-9a-f]+ (\S*) ?([0-9a-f]*)`)
	rawLabel    = regexp.MustCompile(`(\S+):\[([^\]]*)\]`)
)

// take takes a line below the first one.
func (r *raw) take(text string, labelled bool, memory *bound.Account) {
	switch name := strings.TrimSuffix(text, ":"); {
	case name == "Samples", name == "Locations", name == "Mappings":
		r.section = name
		return
	case text == "":
		return
	}
	switch r.section {
	case "":
		r.head(text)
	case "Samples":
		r.sample(text, labelled, memory)
	case "Locations":
		r.location(text, memory)
	case "Mappings":
		m := rawMapping.FindStringSubmatch(text)
		if m == nil {
			return // other text has begun
		}
		id, _ := strconv.ParseUint(m[1], 10, 64)
		if len(r.mappings) < maxRows {
			r.mappings[id] = m[2]
		}
		if r.profile.BuildID == "" && id == 1 {
			r.profile.BuildID = m[3]
		}
	}
}

func (r *raw) head(text string) {
	key, value, _ := strings.Cut(text, ": ")
	switch key {
	case "PeriodType":
		_, r.profile.PeriodUnit, _ = strings.Cut(value, " ")
	case "Period":
		r.profile.Period, _ = strconv.ParseInt(value, 10, 64)
	case "Time":
		r.profile.Time, _ = time.Parse("2006-01-02 15:04:05.999999999 -0700 MST", value)
	case "Duration":
		r.profile.Duration = rawDuration(value)
	}
}

// rawDuration reads what pprof leaves of a duration, which are its first four characters: "3.00" of 3.0012s,
// "301." of 301.6ms, "1m30" of 1m30s. What is left of seconds has no unit, and there are never 60 of them.
func rawDuration(s string) time.Duration {
	s = strings.TrimSuffix(s, ".")
	if x, err := strconv.ParseFloat(s, 64); err == nil {
		if x >= 60 {
			x /= 1000
		}
		return time.Duration(max(0, x) * float64(time.Second))
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		d, _ = time.ParseDuration(s + "s")
	}
	return max(0, d)
}

// sample takes a line with the names of the columns, a sample, or the labels of the one above.
func (r *raw) sample(text string, labelled bool, memory *bound.Account) {
	p := r.profile
	if p.Columns == nil {
		for f := range strings.FieldsSeq(text) {
			name, unit, ok := strings.Cut(strings.TrimSuffix(f, "[dflt]"), "/")
			if !ok || len(p.Columns) == maxRawColumns {
				r.damaged++
				return
			}
			p.Columns = append(p.Columns, Column{name, unit})
		}
		return
	}
	values, ids, ok := strings.Cut(text+" ", ": ")
	numbers := strings.Fields(values)
	if !ok || len(numbers) != len(p.Columns) || strings.Contains(values, "[") {
		if n := len(r.samples); n > 0 && rawLabel.MatchString(text) {
			r.label(&r.samples[n-1].Sample, text, labelled, memory)
			return
		}
		r.damaged++
		return
	}
	s := rawSample{}
	for _, n := range numbers {
		v, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			r.damaged++
			return
		}
		s.Values = append(s.Values, v)
	}
	for f := range strings.FieldsSeq(ids) {
		id, err := strconv.ParseUint(f, 10, 64)
		if err != nil || len(s.at) == maxDepth {
			break
		}
		s.at = append(s.at, id)
	}
	if len(r.samples) == maxRows || !r.afford(memory, bound.Size[rawSample](2)+bound.Size[int64](2*len(s.Values))+bound.Size[uint64](2*len(s.at))) {
		r.left++
		return
	}
	r.samples = append(r.samples, s)
}

func (r *raw) label(s *Sample, text string, labelled bool, memory *bound.Account) {
	for _, m := range rawLabel.FindAllStringSubmatch(text, -1) {
		if m[1] == "bytes" {
			s.Size, _ = strconv.ParseInt(strings.Fields(m[2] + " 0")[0], 10, 64)
			continue
		}
		if !labelled || !r.afford(memory, int64(len(text))+perRawLabel) {
			continue
		}
		if s.Labels == nil {
			s.Labels = map[string][]string{}
		}
		s.Labels[m[1]] = append(s.Labels[m[1]], m[2])
	}
}

// Bounds of what is kept of one text: columns, and what a label costs beside its own bytes.
const (
	maxRawColumns = 64
	perRawLabel   = 512
)

// location takes a location, or a caller that the one above it was inlined into.
func (r *raw) location(text string, memory *bound.Account) {
	m := rawLocation.FindStringSubmatch(text)
	if m == nil {
		r.damaged++
		return
	}
	if m[1] != "" {
		id, err := strconv.ParseUint(m[1], 10, 64)
		if err != nil || r.locations[id] != nil {
			r.damaged++
			r.last = 0
			return
		}
		r.last = id
	}
	f := rawFrame{Frame: stack.Frame{Function: strings.TrimSuffix(m[3], " (inline)"), File: m[4]}}
	f.Line, _ = strconv.Atoi(m[5])
	f.mapping, _ = strconv.ParseUint(m[2], 10, 64)
	if r.last == 0 || len(r.locations) == maxRows || len(r.locations[r.last]) == maxDepth || !r.afford(memory, bound.Size[rawFrame](2)+int64(len(text))+2*bound.PerEntry) {
		r.left++
		return
	}
	r.locations[r.last] = append(r.locations[r.last], f)
}

func (r *raw) afford(memory *bound.Account, n int64) bool {
	if r.err == nil {
		r.err = memory.Grow(n)
	}
	return r.err == nil
}

// close returns the profile; whole tells whether all of it was there. nil stands for a text that holds no sample.
func (r *raw) close(memory *bound.Account) (p *Profile, whole bool) {
	p = r.profile
	if len(p.Columns) == 0 || r.section != "Mappings" && len(r.samples)*len(r.locations) == 0 {
		return nil, false
	}
	unknown := 0
	for _, s := range r.samples {
		lost, placed := false, false
		for _, id := range s.at {
			frames := r.locations[id]
			lost = lost || frames == nil
			for i := range frames {
				f := &frames[i]
				if f.Function == "" {
					f.Function = "[unknown]"
					if file := r.mappings[f.mapping]; file != "" {
						f.Function = "[" + strings.Trim(path.Base(file), "[]") + "]"
					}
				}
				placed = placed || named(&f.Frame)
				if len(s.Stack) < maxDepth && r.afford(memory, bound.Size[*stack.Frame](2)) {
					s.Stack = append(s.Stack, &f.Frame)
				}
			}
		}
		if lost {
			unknown++
		}
		if !placed {
			p.Unsymbolised++
		}
		p.Samples = append(p.Samples, s.Sample)
	}
	p.Kind = kind(p)
	says := func(n int, what prose.Text) {
		if n > 0 {
			p.Problems = append(p.Problems, prose.Textf("%d %s", n, what))
		}
	}
	says(r.damaged, "of its lines could not be read and were left out")
	says(unknown, "of its samples name places that are not listed: the end of the text is missing")
	says(r.left, "of its lines were left out: more than one text may hold")
	if r.err != nil {
		p.Problems = append(p.Problems, prose.Textf("%v", r.err))
	}
	p.remarks()
	return p, r.section == "Mappings" && r.damaged+unknown+r.left == 0 && r.err == nil
}
