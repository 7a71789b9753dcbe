package memory

import (
	"strings"

	"inquest/analyze/claim"
	"inquest/internal/evidence/stack"
	"inquest/internal/reading"
)

// metricsLabels is the variant of growth that is the series of a metrics registry: one for each combination of label values that
// was ever seen, kept for as long as the process lives.
const metricsLabels = "metrics-labels"

// registries are the packages, and below a slash what belongs to them, in which well-known libraries of metrics make a series for a
// combination of label values.
var registries = []string{
	"github.com/prometheus/client_golang/prometheus", "github.com/prometheus/client_model/go", "go.opentelemetry.io/otel/sdk/metric", "go.opentelemetry.io/otel/attribute",
	"go.opencensus.io/stats/view", "github.com/VictoriaMetrics/metrics", "github.com/uber-go/tally", "github.com/rcrowley/go-metrics", "github.com/armon/go-metrics",
	"github.com/hashicorp/go-metrics", "github.com/go-kit/kit/metrics", "expvar",
}

var fixMetricsLabels = []claim.Text{
	"Take values without a bound (user, id, path, text of an error) out of the metric's labels: each combination is a series that the registry keeps for ever",
	"Fold them into a fixed set before they become labels, such as the route's pattern for the URL or the class for the status, and put the exact value into a log or an exemplar",
	"Delete series that are over (DeleteLabelValues, DeletePartialMatch or what the library calls it), and watch how many there are",
}

// inRegistry reports whether memory was allocated for the series of a metrics registry, on behalf of what called the library.
func inRegistry(s stack.Stack) bool {
	for _, f := range s {
		pkg := stack.Package(f.Function)
		for _, r := range registries {
			if rest, ok := strings.CutPrefix(pkg, r); ok && (rest == "" || rest[0] == '/') {
				return true
			}
		}
		if !stack.Standard(f.Function) && !f.Dependency() {
			return false
		}
	}
	return false
}

// nameSeries makes growth that is mostly the series of a metrics registry say so.
func nameSeries(c *claim.Candidate, s *reading.HeapSeries, h *reading.HeapSite) {
	series := s.Part(inRegistry).Last().Sites[h.Site.Function]
	if series == nil || 2*series.Inuse < h.Inuse {
		return
	}
	c.Variant, c.Fix = metricsLabels, fixMetricsLabels
	c.Summary += "; it is series of a metrics registry, one for each combination of label values"
}
