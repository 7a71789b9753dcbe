package report

import (
	"cmp"
	"slices"

	"inquest/analyze/evidence"
)

// Results of a verification.
const (
	Intact     = "ok"         // the same bytes
	Changed    = "changed"    // a file of that name has other bytes
	Lost       = "missing"    // neither name nor bytes are there
	Extra      = "extra"      // a file that the report does not name
	Unhashed   = "unhashed"   // the report holds no hash: it could not be read then either
	Unreadable = "unreadable" // it cannot be read now
)

// Verified is what became of one file of a report.
type Verified struct {
	Path   string // as the report has it; of an extra file its own
	Result string
	Found  string // path of the file with these bytes, where it is not Path; of a changed one its digest
	SHA256 string // that the report holds
	Why    string // it is unreadable
}

// Verify holds the files of a case against the hashes of its report. Files are
// told by name, then by their bytes; those of a redacted report by their bytes alone.
func Verify(r *Report, files []evidence.File) []Verified {
	byName, byHash, used := map[string]int{}, map[string][]int{}, map[int]bool{}
	for i, f := range files {
		byName[f.Path] = i
		byHash[f.SHA256] = append(byHash[f.SHA256], i)
	}
	var out []Verified
	seen := map[[2]string]bool{}
	for _, e := range r.Exhibits {
		if key := [2]string{e.Path, e.SHA256}; seen[key] {
			continue // one file, several exhibits
		} else {
			seen[key] = true
		}
		v := Verified{Path: e.Path, SHA256: e.SHA256, Result: Lost}
		i, named := byName[e.Path]
		named = named && r.Redacted == nil
		if named {
			used[i] = true
		}
		switch {
		case e.SHA256 == "":
			v.Result = Unhashed
		case named && files[i].SHA256 == e.SHA256:
			v.Result = Intact
		default:
			for _, same := range byHash[e.SHA256] {
				if v.Result != Intact || !used[same] {
					v.Result, v.Found = Intact, files[same].Path
					used[same] = true
				}
			}
			switch {
			case v.Result == Intact:
			case named && files[i].SHA256 == "":
				v.Result, v.Why = Unreadable, files[i].Why
			case named:
				v.Result, v.Found = Changed, files[i].SHA256
			}
		}
		out = append(out, v)
	}
	narrowed := map[string]bool{} // a narrowed report lists what it left out by name
	if r.Focus != nil {
		for _, f := range r.Focus.Exhibits {
			narrowed[f.Path] = true
		}
	}
	for i, f := range files {
		switch {
		case used[i] || narrowed[f.Path]:
		case f.SHA256 == "":
			out = append(out, Verified{Path: f.Path, Result: Unreadable, Why: f.Why})
		case f.Likely:
			out = append(out, Verified{Path: f.Path, Result: Extra})
		}
	}
	slices.SortStableFunc(out, func(a, b Verified) int { return cmp.Compare(a.Path, b.Path) })
	return out
}
