package ci

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"path"
	"strings"

	"inquest/internal/safe"
	"inquest/report"
)

// WriteSARIF writes r as SARIF 2.1.0: one result for each finding.
func WriteSARIF(w io.Writer, r *report.Report) error { return caseNotices(r).sarif(w) }

// WriteDiffSARIF writes d as SARIF 2.1.0: one result for each thing that got worse or could not be compared.
func WriteDiffSARIF(w io.Writer, d *report.Diff) error { return diffNotices(d).sarif(w) }

// The parts of SARIF that are written (OASIS, SARIF Version 2.1.0).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations,omitempty"`
		Artifacts   []sarifFile       `json:"artifacts"`
		Results     []sarifResult     `json:"results"`
		Properties  map[string]string `json:"properties"`
	}
	sarifInvocation struct {
		Command string `json:"commandLine"`
		Success bool   `json:"executionSuccessful"`
	}
	sarifFile struct {
		Location sarifArtifact     `json:"location"`
		Length   int64             `json:"length"`
		Hashes   map[string]string `json:"hashes,omitempty"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"semanticVersion,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
		Help  sarifText `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		Rule         string             `json:"ruleId"`
		Index        int                `json:"ruleIndex"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations,omitempty"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifSuppression struct {
		Kind string `json:"kind"`
	}
)

func (n notices) sarif(w io.Writer) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "inquest", Version: n.Version, Rules: []sarifRule{}}}, Results: []sarifResult{}, Artifacts: []sarifFile{}, Properties: map[string]string{}}
	if n.Command != "" {
		run.Invocations = []sarifInvocation{{n.Command, true}}
	}
	for _, m := range n.Made {
		run.Properties["inquest/"+slug(m.What)] = m.How
	}
	listed := map[string]bool{}
	for _, e := range n.Files {
		if key := e.Path + "\n" + e.SHA256; !listed[key] { // one file may hold several exhibits
			listed[key] = true
			f := sarifFile{Location: sarifArtifact{fileURI(e.Path)}, Length: e.Bytes}
			if e.SHA256 != "" {
				f.Hashes = map[string]string{"sha-256": e.SHA256}
			}
			run.Artifacts = append(run.Artifacts, f)
		}
	}
	index := map[string]int{}
	for i, r := range n.Rules {
		index[r.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{r.ID, sarifText{r.Title}, sarifText{r.Help}})
	}
	for _, x := range n.List {
		res := sarifResult{Rule: x.Rule, Index: index[x.Rule], Level: x.Level, Message: sarifText{x.Message}, Fingerprints: map[string]string{"inquest/v1": x.Fingerprint}}
		var at sarifLocation
		if x.File != "" {
			at.Physical = &sarifPhysical{Artifact: sarifArtifact{fileURI(x.File)}}
			if x.Line > 0 {
				at.Physical.Region = &sarifRegion{x.Line}
			}
		}
		if x.Function != "" {
			at.Logical = []sarifLogical{{x.Function, "function"}}
		}
		if x.File != "" || x.Function != "" {
			res.Locations = []sarifLocation{at}
		}
		if x.Accepted {
			res.Suppressions = []sarifSuppression{{"external"}}
		}
		run.Results = append(run.Results, res)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetIndent("", " ")
	if err := enc.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}}); err != nil {
		return err
	}
	_, err := w.Write(safe.EscapeHidden(buf.Bytes()))
	return err
}

// fileURI is a file as SARIF names it: relative where it is, else a file: URI.
func fileURI(file string) string {
	file = strings.ReplaceAll(file, `\`, "/")
	if path.IsAbs(file) {
		return (&url.URL{Scheme: "file", Path: file}).String()
	}
	return (&url.URL{Path: file}).String()
}
