package exporters

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/moat-db/moat/telemetry"
)

// flushTimeout is how long the end waits for a collector to take the last spans.
const flushTimeout = 3 * time.Second

// OTLP returns a Tracer whose spans go to an OpenTelemetry collector over OTLP/HTTP, and what
// sends the last of them and ends it, within 3 s. endpoint is the whole address. The service is
// moat of that version; OpenTelemetry's environment variables say the rest, and another name.
//
// Requests do not wait for the collector. While it is away spans are dropped; log is told once.
func OTLP(ctx context.Context, endpoint, version string, log *slog.Logger) (telemetry.Tracer, func(), error) {
	about, err := resource.New(ctx, resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "moat"), attribute.String("service.version", version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, nil, err
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint))
	if err != nil {
		return nil, nil, err
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
	return OpenTelemetry(provider.Tracer("github.com/moat-db/moat")), flush, nil
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
