package exporters_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/cmd/moat/exporters"
)

// A program that embeds the API measures it with the registry and the tracer that it has.
func Example() {
	registry := prometheus.NewRegistry()
	provider := trace.NewTracerProvider()
	defer func() { _ = provider.Shutdown(context.Background()) }()
	config := api.Config{ // and DB, Verifier and Load
		Meter:  exporters.Prometheus(registry),
		Tracer: exporters.OpenTelemetry(provider.Tracer("leads")),
	}
	fmt.Println(config.Meter != nil, config.Tracer != nil)
	// Output: true true
}

// Without a registry of one's own.
func ExampleMetrics() {
	meter, handler := exporters.Metrics()
	meter.Counter("leads_imported_total", "Leads that were imported.")()(3)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "leads_") {
			fmt.Print(line)
		}
	}
	// Output: leads_imported_total 3
}
