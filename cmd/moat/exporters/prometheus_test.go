package exporters_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/moat-db/moat/cmd/moat/exporters"
)

// The process's metrics and the API's are where the configuration says, in Prometheus's format.
func TestServeMetrics(t *testing.T) {
	t.Parallel()
	s := startServe(t, "serve: {metrics_address: '127.0.0.1:0', metrics_tenants: 1}")
	s.get(t, s.url+"/rest/v1/leads")
	status, body := s.get(t, s.metrics+"/metrics")
	for _, want := range []string{
		"# TYPE moat_http_requests_total counter",
		`moat_http_requests_total{method="GET",status="200",target="leads",tenant="` + tenantA + `"} 1`,
		`moat_http_request_duration_seconds_bucket{method="GET",le="+Inf"} 1`,
		"# TYPE moat_pool_connections gauge", "\nmoat_http_requests_in_flight 0\n", "\nmoat_schema_version ",
		"\ngo_goroutines ", "\nprocess_resident_memory_bytes ",
	} {
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("status %d, without %q:\n%s", status, want, body)
		}
	}
}

// A registry of the user's own has the metrics as a library would have made them.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	m := exporters.Prometheus(registry)
	m.Counter("done_total", "Done.", "how")("well")(2)
	m.Histogram("took_seconds", "Took.", []float64{1, 2})()(1.5)
	ready := false
	m.Gauge("left", "Left.", func() (float64, bool) { return 7, ready })
	for _, want := range []int{2, 3} {
		families, err := registry.Gather()
		if err != nil || len(families) != want {
			t.Fatalf("%v, %v", families, err)
		}
		done := families[0].GetMetric()[0]
		took := families[want-1].GetMetric()[0].GetHistogram()
		if done.GetCounter().GetValue() != 2 || done.GetLabel()[0].GetName() != "how" ||
			took.GetBucket()[0].GetCumulativeCount() != 0 || took.GetBucket()[1].GetCumulativeCount() != 1 {
			t.Errorf("got %v", families)
		}
		if want == 3 && families[1].GetMetric()[0].GetGauge().GetValue() != 7 {
			t.Errorf("got %v", families[1])
		}
		ready = true
	}
}
