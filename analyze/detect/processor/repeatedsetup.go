package processor

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// RepeatedSetup claims that something expensive is set up anew each time it is used.
var RepeatedSetup = &claim.Detector{
	ID:    "repeated-setup",
	Title: "Expensive set-up in a hot path",
	Doc: `A regular expression is compiled, a template parsed, a certificate decoded or a time zone loaded on the way of every request, though the result is the
same each time.

**How it is measured.** CPU samples, and bytes allocated between heap profiles, below a function whose work can be kept and used again, by the first function outside the standard library. The functions are
listed in one table by what they set up. What runs in package initialisation is left out.

**When it is wrong.** A program that is starting does its set-up then. A pattern or template that comes from the user is different each time; a small cache by its text helps where few of them are in use.`,
	Limits: []claim.Limit{judge.LimitCostShare, judge.LimitCostWarning, judge.LimitCostCapacity, judge.LimitCostAlloc, judge.LimitCostAllocInfo, judge.LimitCostAllocWarning, judge.LimitCostAllocRate},
	Measures: []claim.Measure{
		{Kind: evidence.CPU, Doc: "samples below functions that set something up, by function", Run: judge.WorstOf(repeatedSetupCPU)},
		{Kind: evidence.Heap, Doc: "bytes allocated below the same functions; a warning where they are most of the garbage, and it never denies", Run: settingUp.Heap},
	},
	Fix: []claim.Text{
		"Do it once: in a package variable, in the constructor of what uses it, or behind a sync.Once or sync.OnceValue",
		"Where it depends on a request, keep the results in a cache with a cap, by the text they are made from",
	},
	Sketch: `// Made once, when it is first needed.
var pattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("^[a-z]+-[0-9]+$")
})

func valid(id string) bool { return pattern().MatchString(id) }
`,
	Explains: []claim.Mechanism{
		{Effect: "alloc-hotspot", Why: "what is set up anew is allocated anew", Source: "regexp/regexp.go, compile; text/template/parse"},
		{Effect: "gc-pressure", Unless: "small-goal", Why: "what is set up for one use is garbage after it", Source: "runtime/mgcpacer.go"},
		{Effect: "gc-assist", Why: "goroutines that allocate during a mark phase must help to mark", Source: "runtime/mgcmark.go, gcAssistAlloc"},
		{Effect: "cpu-hotspot", Why: "setting it up costs more than using it", Source: "regexp/regexp.go, compile; text/template/parse"},
	},
}

var settingUp = judge.Costly{What: "set-up that could be done once", Does: func(s stack.Stack) bool { return setUp(s) != "" }, Focus: setupFocus, Spare: true}

// setups is what well-known functions set up.
var setups = map[string]claim.Text{
	"regexp.compile":        "regular expression",
	"regexp/syntax.Parse":   "regular expression",
	"regexp/syntax.Compile": "regular expression",

	"text/template.(*Template).Parse":            "template",
	"text/template.parseFiles":                   "template",
	"text/template/parse.Parse":                  "template",
	"text/template/parse.(*Tree).Parse":          "template",
	"html/template.(*Template).Parse":            "template",
	"html/template.(*Template).Clone":            "template",
	"html/template.(*Template).escape":           "template",
	"html/template.escapeTemplate":               "template",
	"html/template.parseFiles":                   "template",
	"html/template.(*escaper).escape":            "template",
	"time.LoadLocation":                          "time zone",
	"time.LoadLocationFromTZData":                "time zone",
	"crypto/x509.ParseCertificate":               "certificate",
	"crypto/x509.(*CertPool).AppendCertsFromPEM": "certificate pool",
	"crypto/x509.loadSystemRoots":                "certificate pool",
	"crypto/tls.X509KeyPair":                     "certificate",
	"crypto/tls.LoadX509KeyPair":                 "certificate",
	"encoding/json.typeFields":                   "JSON encoder of a type",
	"encoding/json.newTypeEncoder":               "JSON encoder of a type",
	"encoding/xml.getTypeInfo":                   "XML encoder of a type",
	"encoding/gob.(*Decoder).compileDec":         "gob stream",
	"encoding/gob.compileEnc":                    "gob stream",
	"compress/flate.NewWriter":                   "compressor",
	"compress/flate.(*compressor).init":          "compressor",
	"math/rand.(*rngSource).Seed":                "random number source",
	"strings.(*Replacer).build":                  "string replacer",
	"golang.org/x/text/collate.New":              "collator",
	"golang.org/x/text/language.NewMatcher":      "language matcher",
	"crypto/rsa.GenerateKey":                     "key",
	"crypto/ecdsa.GenerateKey":                   "key",
}

const setupFocus = `^regexp.compile$|^regexp/syntax.(Parse|Compile)$|template.*(Parse|parseFiles|Clone|escape|escapeTemplate)$|^time.LoadLocation|^crypto/x509.(ParseCertificate|loadSystemRoots)$|AppendCertsFromPEM$|X509KeyPair$|^encoding/(json.(typeFields|newTypeEncoder)|xml.getTypeInfo|gob.(compileEnc)|gob.*compileDec)$|^compress/flate.(NewWriter|.*init)$|rngSource..Seed$|Replacer..build$|^golang.org/x/text/(collate.New|language.NewMatcher)$|^crypto/(rsa|ecdsa).GenerateKey$`

// setUp names what a stack is setting up; empty for none, and for what runs when
// the program starts.
func setUp(s stack.Stack) claim.Text {
	what := claim.Text("")
	for _, f := range s {
		if known := setups[stack.Normal(f.Function)]; known != "" {
			what = known
		}
		// A server must shake hands with whoever connects; a client that does it too often is connection-churn's.
		if f.Function == "crypto/tls.(*Conn).serverHandshake" || f.Function == "crypto/tls.(*Conn).clientHandshake" {
			return ""
		}
		// Package initialisation, and what it calls, runs once (runtime/proc.go, doInit1).
		if f.Function == "runtime.doInit1" || f.Function == "runtime.doInit" {
			return ""
		}
	}
	return what
}

// repeatedSetupCPU also names what is set up.
func repeatedSetupCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := settingUp.CPU(in, e)
	column := e.Profile().Column("samples")
	for i := range r.Candidates {
		c := &r.Candidates[i]
		kinds := reading.BySite(e.Profile(), column, func(s *pprofile.Sample) stack.Site {
			if s.Stack.Owner().Function != c.Site.Function {
				return stack.Site{}
			}
			return stack.Site{Function: setUp(s.Stack).String()}
		})
		if len(kinds) == 0 {
			continue
		}
		c.Variant = kinds[0].Site.Function
		kind := claim.Text("")
		for _, known := range setups {
			if known.String() == c.Variant {
				kind = known
			}
		}
		c.Summary = claim.Textf("%s sets up a %s each time: %s of the CPU samples are below it there", claim.Func(c.Site.Function), kind, evidence.Part(kinds[0].Values[column], e.Profile().Total(column)))
	}
	return r
}
