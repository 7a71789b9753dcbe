package analyze_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/pprof/profile"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/account"
	"inquest/internal/evidence/pprofile"
)

// cases are the folders of the fixtures that hold evidence of their own.
func cases(t *testing.T) (out []string) {
	t.Helper()
	root := filepath.Join("..", "fixtures")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if files, _ := filepath.Glob(filepath.Join(path, "truth.yaml")); len(files) > 0 {
			out = append(out, path)
			return fs.SkipDir
		}
		return nil
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	goker, err := filepath.Glob(filepath.Join(root, "goker", "*.gz"))
	if err != nil || len(goker) == 0 {
		t.Fatalf("no fixtures of goker: %v", err)
	}
	return append(out, goker...)
}

// TestAccountsAddUp holds every account of every fixture to its whole: the parts and what is unknown are all of it, none is below
// zero, and what a part is said to be a share of is that whole. Where evidence of a kind holds anything, there is an account.
func TestAccountsAddUp(t *testing.T) {
	of := map[evidence.Kind]string{evidence.CPU: claim.ProcessorAccount, evidence.Heap: claim.MemoryAccount, evidence.Goroutine: claim.GoroutineAccount}
	seen := map[string]int{}
	for _, dir := range cases(t) {
		b, err := evidence.Open(t.Context(), []string{dir}, evidence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		accounts, failed := analyze.Accounts(b)
		for _, f := range failed {
			t.Errorf("%s: %s", dir, f.Says)
		}
		for _, a := range accounts {
			checkAccount(t, dir, b, &a)
			seen[a.Name]++
			if os.Getenv("SHOW") != "" {
				t.Logf("%s: %s", dir, a.Summary)
			}
		}
		checkWall(t, dir, accounts)
		for kind, name := range of {
			full := slices.ContainsFunc(b.Of(kind), func(e *evidence.Exhibit) bool {
				return e.Profile() != nil && e.Profile().Total(e.Profile().Column(column[kind])) > 0
			})
			if full && !slices.ContainsFunc(accounts, func(a claim.Account) bool { return a.Name == name }) {
				t.Errorf("%s: a %s that is not empty, and no account of %s", dir, kind.Name(), name)
			}
		}
		b.Free()
	}
	for _, name := range claim.AccountNames {
		if seen[name] == 0 {
			t.Errorf("no fixture has an account of %s", name)
		}
	}
}

var column = map[evidence.Kind]string{evidence.CPU: "cpu", evidence.Heap: "inuse_space", evidence.Goroutine: "goroutine"}

// checkWall holds the profile of the operations to their accounts, and to what go tool pprof makes of it.
func checkWall(t *testing.T, dir string, accounts []claim.Account) {
	t.Helper()
	var whole int64
	for _, a := range accounts {
		if a.Name == claim.OperationAccount {
			whole += a.Whole
		}
	}
	wall := account.Wall(accounts)
	if (wall == nil) != (whole == 0) {
		t.Errorf("%s: operations of %d, and the profile is %v", dir, whole, wall)
	}
	if wall == nil {
		return
	}
	var b bytes.Buffer
	if err := pprofile.Write(&b, wall); err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse(&b)
	if err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	if err := p.CheckValid(); err != nil {
		t.Errorf("%s: %v", dir, err)
	}
	for i, s := range p.Sample {
		if whole -= s.Value[0]; len(s.Location) != len(wall.Samples[i].Stack) || s.Location[0].Line[0].Function.Name != wall.Samples[i].Stack[0].Function {
			t.Errorf("%s: sample %d is another", dir, i)
		}
	}
	if whole != 0 {
		t.Errorf("%s: the profile has %d less than the accounts", dir, whole)
	}
}

func checkAccount(t *testing.T, dir string, b *evidence.Bundle, a *claim.Account) {
	t.Helper()
	if a.Sum() != a.Whole {
		t.Errorf("%s: %s: parts and unknown are %d, the whole is %d", dir, a.Name, a.Sum(), a.Whole)
	}
	if a.Unknown < 0 || a.Whole <= 0 {
		t.Errorf("%s: %s: %d unknown of %d", dir, a.Name, a.Unknown, a.Whole)
	}
	if len(a.Parts) > claim.MaxAccountParts || !slices.Contains(claim.AccountNames, a.Name) || a.What == "" || a.Summary == "" || a.Unit == "" || b.Exhibit(a.Exhibit) == nil {
		t.Errorf("%s: %s lacks something or has too much: %+v", dir, a.Name, a)
	}
	for i, p := range a.Parts {
		if p.Value < 0 || p.Kind == "" || p.What == "" || p.Share < 0 || p.Share > 1 {
			t.Errorf("%s: %s: part %+v", dir, a.Name, p)
		}
		if i > 0 && p.Kind != claim.PartRest && p.Value > a.Parts[i-1].Value {
			t.Errorf("%s: %s: parts are not in order", dir, a.Name)
		}
	}
}
