package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The part of CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/) that says what a Go program is made of.
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Serial       string       `json:"serialNumber"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Licenses   []licence  `json:"licenses,omitempty"`
		PURL       string     `json:"purl"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	licence struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

// bill lists what a binary is made of, as the binary itself says.
func bill(binary, version string, made time.Time) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	purl := func(path, version string) string { return "pkg:golang/" + path + "@" + version }
	main := component{Type: "application", Ref: purl(info.Main.Path, version), Name: filepath.Base(binary), Version: version,
		Hashes: []hash{{"SHA-256", fmt.Sprintf("%x", sum)}}, Licenses: make([]licence, 1), PURL: purl(info.Main.Path, version)}
	main.Licenses[0].License.ID = "Apache-2.0"
	for _, s := range info.Settings {
		if s.Value != "" {
			main.Properties = append(main.Properties, property{"go:build:" + s.Key, s.Value})
		}
	}
	std := purl("std", strings.TrimPrefix(info.GoVersion, "go"))
	out := bom{Format: "CycloneDX", Spec: "1.6", Version: 1,
		Serial:     uuid(sum[:16]), // the same binary has the same bill
		Metadata:   metadata{Timestamp: made.Format(time.RFC3339), Component: main},
		Components: []component{{Type: "library", Ref: std, Name: "std", Version: strings.TrimPrefix(info.GoVersion, "go"), PURL: std}},
	}
	for _, m := range info.Deps {
		c := component{Type: "library", Name: m.Path, Version: m.Version, PURL: purl(m.Path, m.Version), Ref: purl(m.Path, m.Version)}
		if m.Sum != "" {
			c.Properties = []property{{"go:sum", m.Sum}}
		}
		out.Components = append(out.Components, c)
	}
	all := dependency{Ref: main.Ref}
	for _, c := range out.Components {
		all.DependsOn = append(all.DependsOn, c.Ref)
	}
	out.Dependencies = []dependency{all}
	text, err := json.MarshalIndent(out, "", "  ")
	return append(text, '\n'), err
}

// uuid makes one of 16 bytes (RFC 9562, version 8, in which the bytes mean what we like).
func uuid(b []byte) string {
	b = slices.Clone(b)
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
