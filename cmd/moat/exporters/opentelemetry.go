package exporters

import (
	"context"
	"log/slog"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/moat-db/moat/telemetry"
)

// OpenTelemetry returns a Tracer whose spans t makes. A request's is the child of the one that
// its traceparent header names (W3C Trace Context).
func OpenTelemetry(t trace.Tracer) telemetry.Tracer { return tracer{t} }

type tracer struct{ trace.Tracer }

func (t tracer) Serve(ctx context.Context, header http.Header, name string,
	attributes ...slog.Attr) (context.Context, telemetry.Span) {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
	ctx, s := t.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(converted(attributes)...))
	return ctx, span{s}
}

func (t tracer) Ask(ctx context.Context, name string, attributes ...slog.Attr) telemetry.Span {
	_, s := t.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(converted(attributes)...))
	return span{s}
}

type span struct{ trace.Span }

func (s span) TraceID() string {
	if about := s.SpanContext(); about.HasTraceID() {
		return about.TraceID().String()
	}
	return ""
}

func (s span) End(o telemetry.Outcome) {
	defer s.Span.End()
	if !s.IsRecording() {
		return
	}
	if o.Name != "" {
		s.SetName(o.Name)
	}
	s.SetAttributes(converted(o.Attributes)...)
	if o.Code != "" {
		s.SetAttributes(attribute.String("error.type", o.Code))
	}
	if o.Failed {
		s.SetStatus(codes.Error, o.Code)
	}
}

func converted(all []slog.Attr) []attribute.KeyValue {
	out := make([]attribute.KeyValue, len(all))
	for i, a := range all {
		if a.Value.Kind() == slog.KindInt64 {
			out[i] = attribute.Int64(a.Key, a.Value.Int64())
			continue
		}
		out[i] = attribute.String(a.Key, a.Value.String())
	}
	return out
}
