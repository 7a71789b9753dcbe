package report_test

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
	"inquest/internal/compare"
	"inquest/report"
	"inquest/report/internal/reporttest"
)

var diffSchemaFile = filepath.Join("..", "docs", "diff.schema.json")

// TestDiffSchema holds the published schema to the Go types, and real output to the schema.
func TestDiffSchema(t *testing.T) {
	defs := map[string]any{}
	root := schemaOf(reflect.TypeFor[report.Diff](), defs)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "inquest diff"
	root["$defs"] = defs
	root["properties"].(map[string]any)["schema"] = map[string]any{"const": report.DiffSchema}
	text, err := json.MarshalIndent(root, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *reporttest.Update {
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
	compareSchema(t, node, node, reflect.TypeFor[report.Diff](), "diff", manual, map[reflect.Type]bool{})

	schema, err := jsonschema.NewCompiler().Compile(diffSchemaFile)
	if err != nil {
		t.Fatal(err)
	}
	none := compare.Options{}
	empty := &compare.Side{Title: "empty"}
	full := reporttest.NamedDiff("x")
	full.Kinds[0].Distributions[0].Method = compare.Sampling
	for _, d := range []*report.Diff{reporttest.Diff(), full, report.NewDiff(empty, empty, compare.Compare(empty, empty, none), none, [2][]string{}, "0", true)} {
		var b bytes.Buffer
		if err := report.WriteDiffJSON(&b, d); err != nil {
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
