package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"inquest/analyze/claim"
	"inquest/analyze/compare"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/pprofile"
	"inquest/analyze/evidence/stack"
)

// cpuSide is a side of one CPU profile of 10 s, in ticks by function.
func cpuSide(name string, ticks map[string]int64, order ...string) *compare.Side {
	p := &pprofile.Profile{Kind: "cpu", Columns: []pprofile.Column{{Name: "samples", Unit: "count"}, {Name: "cpu", Unit: "nanoseconds"}},
		Duration: 10 * time.Second, Period: 10e6, PeriodUnit: "nanoseconds"}
	for _, f := range order {
		p.Samples = append(p.Samples, pprofile.Sample{
			Stack:  stack.Stack{{Function: f, File: "/src/app/" + f + ".go", Line: 7}, {Function: "main.main", File: "/src/app/main.go", Line: 3}},
			Values: []int64{ticks[f], ticks[f] * 10e6},
		})
	}
	e := &evidence.Exhibit{ID: "e1", Path: name, SHA256: name, Kind: evidence.CPU, Coverage: evidence.Whole, Duration: 10 * time.Second, Content: p}
	finding := claim.Finding{ID: "f1", Fingerprint: "0123456789abcdef", Detector: "cpu-hotspot", Title: "One function", Severity: claim.Warning, Confidence: claim.Medium, Summary: "much of it"}
	return &compare.Side{Title: name, Exhibits: []*evidence.Exhibit{e}, Judged: &compare.Judged{Findings: []claim.Finding{finding}}}
}

// hostileName is a function name that would be markup, a command or an escape anywhere.
const hostileName = "a|b`c</td><script>alert(1)</script>\x1b[31m\n::error::x%0A\u202e"

func sampleDiff() *Diff {
	before := cpuSide("before.pb.gz", map[string]int64{hostileName: 400, "main.pack": 600}, hostileName, "main.pack")
	after := cpuSide("after.pb.gz", map[string]int64{hostileName: 900, "main.pack": 600}, hostileName, "main.pack")
	opt := compare.Options{Rename: map[string]string{"x.A": "x.B"}, Floors: map[evidence.Unit]float64{evidence.SecPerSec: 0.05}}
	return NewDiff(before, after, compare.Compare(before, after, opt), opt, [2][]string{}, "0", false)
}

// TestDiffViews writes a comparison whose names are hostile in every format.
func TestDiffViews(t *testing.T) {
	d := sampleDiff()
	if d.Verdict != compare.Regression {
		t.Fatalf("verdict %s: %s", d.Verdict, d.Why)
	}
	for _, name := range DiffFormats() {
		write, _ := DiffForName(name)
		var first, again bytes.Buffer
		if err := write(&first, d); err != nil {
			t.Fatal(err)
		}
		if err := write(&again, sampleDiff()); err != nil {
			t.Fatal(err)
		}
		if first.String() != again.String() {
			t.Errorf("%s: the same input gives other bytes", name)
		}
		text := first.String()
		if name != "html" {
			checkText(t, name, strings.ReplaceAll(text, "\t", ""))
		}
		switch name {
		case "github":
			for line := range strings.Lines(text) {
				if strings.HasPrefix(line, "::") && !strings.HasPrefix(line, "::error file=") {
					t.Errorf("a name made a command: %q", line)
				}
			}
		case "markdown":
			if strings.Contains(text, "<script") {
				t.Errorf("markdown holds markup of a name: %s", text)
			}
		case "json":
			var back Diff
			dec := json.NewDecoder(&first)
			dec.DisallowUnknownFields()
			if err := dec.Decode(&back); err != nil {
				t.Error(err)
			}
		}
	}
}

var diffSchemaFile = filepath.Join("..", "docs", "diff.schema.json")

// TestDiffSchema holds the published schema to the Go types, and real output to the schema.
func TestDiffSchema(t *testing.T) {
	defs := map[string]any{}
	root := schemaOf(reflect.TypeFor[Diff](), defs)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "inquest diff"
	root["$defs"] = defs
	root["properties"].(map[string]any)["schema"] = map[string]any{"const": DiffSchema}
	text, err := json.MarshalIndent(root, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(diffSchemaFile, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	saved, err := os.ReadFile(diffSchemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(saved, text) {
		t.Error("docs/diff.schema.json is not that of the types; run go test ./report -run DiffSchema -update")
	}
	manual, err := os.ReadFile(filepath.Join("..", "docs", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	var node map[string]any
	if err := json.Unmarshal(saved, &node); err != nil {
		t.Fatal(err)
	}
	compareSchema(t, node, node, reflect.TypeFor[Diff](), "diff", manual, map[reflect.Type]bool{})

	schema, err := jsonschema.NewCompiler().Compile(diffSchemaFile)
	if err != nil {
		t.Fatal(err)
	}
	none := compare.Options{}
	empty := &compare.Side{Title: "empty"}
	full := namedDiff("x")
	full.Kinds[0].Distributions[0].Method = compare.Sampling
	for _, d := range []*Diff{sampleDiff(), full, NewDiff(empty, empty, compare.Compare(empty, empty, none), none, [2][]string{}, "0", true)} {
		var b bytes.Buffer
		if err := WriteDiffJSON(&b, d); err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", d.Before.Title, err)
		}
		doc, _ = jsonschema.UnmarshalJSON(bytes.NewReader(bytes.Replace(b.Bytes(), []byte(`"verdict": "`), []byte(`"verdict": "un`), 1)))
		if schema.Validate(doc) == nil {
			t.Errorf("%s: the schema accepts a verdict that there is not", d.Before.Title)
		}
	}
	if doc, _ := jsonschema.UnmarshalJSON(strings.NewReader(`{"schema": "inquest/diff/v1"}`)); schema.Validate(doc) == nil {
		t.Error("the schema accepts a comparison without anything in it")
	}
}

// diffWords are the fields that hold one of a few words.
var diffWords = map[string][]any{
	"Measure.method":      {compare.Moderated, compare.Permutation, compare.Sampling, compare.Exact, ""},
	"Distribution.method": {compare.Moderated, compare.Permutation, compare.Sampling},
	"Measure.per":         {"second", "operation", "profile"},
	"Change.reach":        {"own", "with-callees", "whole"},
	"Trend.side":          {"before", "after"},
	"Trend.name":          {"live heap", "goroutines"},
	"Reason.rank":         {compare.RankOutcome, compare.RankOperations, compare.RankCost},
}

// schemaOf is the JSON schema of a type, with the structs below it in defs.
func schemaOf(typ reflect.Type, defs map[string]any) map[string]any {
	switch typ.Kind() {
	case reflect.Pointer:
		return schemaOf(typ.Elem(), defs)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": refTo(typ.Elem(), defs)}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		if typ == reflect.TypeFor[claim.Severity]() {
			return map[string]any{"type": "string"}
		}
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Struct:
		if typ == reflect.TypeFor[time.Time]() {
			return map[string]any{"type": "string", "format": "date-time"}
		}
		properties, required := map[string]any{}, []string{}
		for _, f := range reflect.VisibleFields(typ) {
			tag, ok := f.Tag.Lookup("json")
			if !ok {
				continue
			}
			name, options, _ := strings.Cut(tag, ",")
			properties[name] = refTo(f.Type, defs)
			if values := diffWords[typ.Name()+"."+name]; values != nil {
				properties[name] = map[string]any{"enum": values}
			}
			if !strings.Contains(options, "omitempty") {
				required = append(required, name)
			}
		}
		return map[string]any{"type": "object", "properties": properties, "required": required}
	}
	if typ == reflect.TypeFor[compare.Outcome]() {
		return map[string]any{"enum": []any{compare.Pass, compare.Regression, compare.Improvement, compare.Tradeoff, compare.Inconclusive}}
	}
	return map[string]any{"type": "string"}
}

func refTo(typ reflect.Type, defs map[string]any) map[string]any {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() {
		return schemaOf(typ, defs)
	}
	name := strings.ToLower(typ.Name())
	if _, ok := defs[name]; !ok {
		defs[name] = map[string]any{}
		defs[name] = schemaOf(typ, defs)
	}
	return map[string]any{"$ref": "#/$defs/" + name}
}
