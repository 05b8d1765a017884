package api

import (
	"context"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// startSpan begins the span of a request, as the child of the one that the client names
// in its traceparent header. Without a Tracer, and for what a monitor asks all the
// time, the span is one that records nothing.
//
// Spans hold names of the schema, the tenant and codes: no token, no query string, no
// SQL and no row value.
func (h *Handler) startSpan(ctx context.Context, r *http.Request) (context.Context, trace.Span) {
	if h.config.Tracer == nil || monitoring(r.URL.Path) {
		return ctx, trace.SpanFromContext(context.Background())
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(r.Header))
	method := known(r.Method)
	return h.config.Tracer.Start(ctx, method, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", method)))
}

func monitoring(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/metrics"
}

// endSpan names the span after what was asked for, where that is in the schema.
func (h *Handler) endSpan(span trace.Span, r *http.Request, info *requestInfo, status int) {
	defer span.End()
	if !span.IsRecording() {
		return
	}
	attributes := append(make([]attribute.KeyValue, 0, 6), attribute.Int("http.response.status_code", status),
		attribute.String("moat.request_id", info.id))
	if info.target != "" {
		span.SetName(known(r.Method) + " " + info.target)
		attributes = append(attributes, attribute.String("http.route", h.config.Base+"/"+info.target),
			attribute.Int64("moat.rows", info.rows))
	}
	if info.tenant != "" {
		attributes = append(attributes, attribute.String("moat.tenant", info.tenant))
	}
	if info.code != "" {
		attributes = append(attributes, attribute.String("error.type", info.code))
	}
	span.SetAttributes(attributes...)
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, info.code)
	}
}

// atDatabase begins the span of a request's statements; the returned function ends it.
func (q *request) atDatabase() func(*answer, error) {
	if q.h.config.Tracer == nil {
		return func(*answer, error) {}
	}
	operation := operations[q.Method]
	target, attributes := q.info.target, []attribute.KeyValue{attribute.String("db.system.name", "postgresql")}
	if function, isCall := strings.CutPrefix(target, "rpc/"); isCall {
		operation, target = "SELECT", function
		attributes = append(attributes, attribute.String("db.stored_procedure.name", q.profile+"."+function))
	} else {
		attributes = append(attributes, attribute.String("db.collection.name", q.profile+"."+target))
	}
	attributes = append(attributes, attribute.String("db.operation.name", operation))
	_, span := q.h.config.Tracer.Start(q.Context(), operation+" "+target, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attributes...))
	return func(a *answer, err error) {
		defer span.End()
		if err == nil {
			span.SetAttributes(attribute.Int64("db.response.returned_rows", a.rows))
			return
		}
		code := describe(err).Code
		span.SetAttributes(attribute.String("db.response.status_code", code), attribute.String("error.type", code))
		span.SetStatus(codes.Error, code)
	}
}

// operations are the statements that requests for a table become.
var operations = map[string]string{
	http.MethodGet: "SELECT", http.MethodHead: "SELECT", http.MethodPost: "INSERT",
	http.MethodPut: "INSERT", http.MethodPatch: "UPDATE", http.MethodDelete: "DELETE",
}
