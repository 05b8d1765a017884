package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/telemetry"
)

// Telemetry is where metrics and traces go. The zero Telemetry has none.
type Telemetry struct {
	// Metrics makes a Meter, and what serves what it makes.
	Metrics func() (telemetry.Meter, http.Handler)
	// Traces makes spans that go to an OTLP collector, and what sends the last of them at the end.
	Traces func(ctx context.Context, endpoint, version string, log *slog.Logger) (telemetry.Tracer, func(), error)
}

func (t Telemetry) meter() (telemetry.Meter, http.Handler) {
	if t.Metrics == nil {
		return telemetry.Discard{}, nil
	}
	return t.Metrics()
}

// metricsOnly serves /metrics, on an address of its own.
func metricsOnly(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
	}
	return mux
}

const tracingHint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 or serve.tracing.endpoint names an OTLP " +
	"collector that speaks HTTP; OTEL_RESOURCE_ATTRIBUTES is a list like " +
	"deployment.environment.name=production,team=leads"

// tracer returns what makes spans, and what sends the last of them at the end.
// Both are nil where no collector is named: then nothing is measured or kept.
//
// Endpoint, sampler and the like come from OpenTelemetry's own environment variables,
// read by its SDK. The SDK goes on with a default where one of them is wrong; here that
// is an error.
func (t Telemetry) tracer(ctx context.Context, c config.Tracing, log *slog.Logger) (telemetry.Tracer, func(), error) {
	endpoint, err := tracingEndpoint(c, os.Getenv)
	if err == nil && endpoint != "" {
		err = checkSampler(os.Getenv)
	}
	if err == nil && endpoint != "" && t.Traces == nil {
		err = errors.New("tracing: this program was built without it")
	}
	if err != nil || endpoint == "" {
		return nil, nil, withHint(err, tracingHint)
	}
	made, flush, err := t.Traces(ctx, endpoint, Version(), log)
	if err != nil {
		return nil, nil, withHint(fmt.Errorf("tracing: %w", err), tracingHint)
	}
	return made, flush, nil
}

// tracingEndpoint is where traces go; "" means nowhere. Only the variable for traces
// holds a whole address (OpenTelemetry, OTLP exporter configuration).
func tracingEndpoint(c config.Tracing, env func(string) string) (string, error) {
	if strings.EqualFold(env("OTEL_SDK_DISABLED"), "true") {
		return "", nil
	}
	switch exporter := env("OTEL_TRACES_EXPORTER"); exporter {
	case "", "otlp":
	case "none":
		return "", nil
	default:
		return "", fmt.Errorf("OTEL_TRACES_EXPORTER %q: use otlp or none", exporter)
	}
	name, endpoint, path := "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), ""
	if endpoint == "" {
		name, endpoint, path = "OTEL_EXPORTER_OTLP_ENDPOINT", env("OTEL_EXPORTER_OTLP_ENDPOINT"), "/v1/traces"
	}
	if endpoint == "" {
		name, endpoint = "serve.tracing.endpoint", c.Endpoint
	}
	if endpoint == "" {
		return "", nil
	}
	if protocol := cmp.Or(env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), env("OTEL_EXPORTER_OTLP_PROTOCOL"),
		"http/protobuf"); !strings.HasPrefix(protocol, "http/") {
		return "", fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL %q: moat speaks http/protobuf", protocol)
	}
	if err := config.CheckEndpoint(name, endpoint); err != nil {
		return "", err
	}
	if path != "" {
		endpoint = strings.TrimSuffix(endpoint, "/") + path
	}
	return endpoint, nil
}

func checkSampler(env func(string) string) error {
	name, argument := strings.ToLower(strings.TrimSpace(env("OTEL_TRACES_SAMPLER"))),
		strings.TrimSpace(env("OTEL_TRACES_SAMPLER_ARG"))
	switch name {
	case "", "always_on", "always_off", "parentbased_always_on", "parentbased_always_off":
		return nil
	case "traceidratio", "parentbased_traceidratio":
		if ratio, err := strconv.ParseFloat(argument, 64); argument != "" && (err != nil || ratio < 0 || ratio > 1) {
			return fmt.Errorf("OTEL_TRACES_SAMPLER_ARG %q: use a number from 0 to 1", argument)
		}
		return nil
	}
	return fmt.Errorf("OTEL_TRACES_SAMPLER %q: use always_on, always_off, traceidratio, "+
		"or one of them after parentbased_", name)
}
