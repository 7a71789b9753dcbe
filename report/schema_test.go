package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"inquest/analyze/claim"
	"inquest/report"
	"inquest/report/internal/reporttest"
)

// TestSchemaAccepts holds real output to the published schema.
func TestSchemaAccepts(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile(reporttest.SchemaFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"incident", "quiet"} { // the hostile one breaks enums on purpose
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(reporttest.Written(t, report.WriteJSON, reporttest.Load(t, name))))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"schema": "inquest/report/v1"}`))
	if err != nil {
		t.Fatal(err)
	}
	if schema.Validate(doc) == nil {
		t.Error("the schema accepts a report without anything in it")
	}
}

// TestSchemaIsComplete holds the schema and docs/json.md to the Go types, field by field.
func TestSchemaIsComplete(t *testing.T) {
	text, err := os.ReadFile(reporttest.SchemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile(filepath.Join("..", "docs", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	compareSchema(t, root, root, reflect.TypeFor[report.Report](), "report", manual, map[reflect.Type]bool{})
}

func compareSchema(t *testing.T, root, node map[string]any, typ reflect.Type, at string, manual []byte, done map[reflect.Type]bool) {
	if ref, ok := node["$ref"].(string); ok {
		node = root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	switch typ.Kind() {
	case reflect.Pointer:
		compareSchema(t, root, node, typ.Elem(), at, manual, done)
	case reflect.Slice:
		compareSchema(t, root, node["items"].(map[string]any), typ.Elem(), at+"[]", manual, done)
	case reflect.Struct:
		if typ == reflect.TypeFor[time.Time]() || done[typ] {
			return
		}
		done[typ] = true
		switch typ { // those that write themselves
		case reflect.TypeFor[claim.Fact]():
			typ = reflect.TypeFor[claim.FactJSON]()
		case reflect.TypeFor[claim.Account]():
			typ = reflect.TypeFor[claim.AccountJSON]()
		case reflect.TypeFor[claim.AccountPart]():
			typ = reflect.TypeFor[claim.AccountPartJSON]()
		}
		properties, _ := node["properties"].(map[string]any)
		var required []string
		for _, r := range node["required"].([]any) {
			required = append(required, r.(string))
		}
		known := map[string]bool{}
		for _, f := range reflect.VisibleFields(typ) {
			tag, ok := f.Tag.Lookup("json")
			if !ok || tag == "-" {
				continue
			}
			name, options, _ := strings.Cut(tag, ",")
			known[name] = true
			property, ok := properties[name].(map[string]any)
			if !ok {
				t.Errorf("%s.%s is not in the schema", at, name)
				continue
			}
			if always := !strings.Contains(options, "omitempty"); always != slices.Contains(required, name) {
				t.Errorf("%s.%s: always written is %v, required is %v", at, name, always, !always)
			}
			if !bytes.Contains(manual, []byte("`"+name+"`")) {
				t.Errorf("%s.%s is not in docs/json.md", at, name)
			}
			compareSchema(t, root, property, f.Type, at+"."+name, manual, done)
		}
		for name := range properties {
			if !known[name] {
				t.Errorf("the schema has %s.%s, the report has not", at, name)
			}
		}
	}
}
