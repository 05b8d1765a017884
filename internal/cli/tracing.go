package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/moat-db/moat/internal/config"
)

// flushTimeout is how long the end waits for a collector to take the last spans.
const flushTimeout = 3 * time.Second

const tracingHint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318 or serve.tracing.endpoint names an OTLP " +
	"collector that speaks HTTP"

// openTracing returns what makes spans, and what sends the last of them at the end.
// Both are nil where no collector is named: then nothing is measured or kept.
//
// Endpoint, sampler and the like come from OpenTelemetry's own environment variables,
// read by its SDK. The SDK goes on with a default where one of them is wrong; here that
// is an error.
func openTracing(ctx context.Context, c config.Tracing, log *slog.Logger) (trace.Tracer, func(), error) {
	endpoint, err := tracingEndpoint(c, os.Getenv)
	if err == nil && endpoint != "" {
		err = checkSampler(os.Getenv)
	}
	if err != nil || endpoint == "" {
		return nil, nil, withHint(err, tracingHint)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "moat"), attribute.String("service.version", Version())),
		resource.WithFromEnv())
	if err != nil {
		return nil, nil, withHint(fmt.Errorf("tracing: %w", err),
			"OTEL_RESOURCE_ATTRIBUTES is a list like deployment.environment.name=production,team=leads")
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, nil, withHint(fmt.Errorf("tracing: %w", err), tracingHint)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(about),
		sdktrace.WithBatcher(&quietExporter{SpanExporter: exporter, log: log}))
	flush := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn("the last traces were not exported", "error", err)
		}
	}
	return provider.Tracer("github.com/moat-db/moat"), flush, nil
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

// quietExporter logs when a collector begins to fail and when it is there again, not
// each time: the SDK would print every failure.
type quietExporter struct {
	sdktrace.SpanExporter
	log     *slog.Logger
	failing atomic.Bool
}

func (e *quietExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err == nil && e.failing.CompareAndSwap(true, false):
		e.log.Info("traces are exported again")
	case err != nil && !errors.Is(err, context.Canceled) && e.failing.CompareAndSwap(false, true):
		e.log.Warn("traces are not exported; requests are not affected", "error", err)
	}
	return nil
}
