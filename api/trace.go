package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/moat-db/moat/telemetry"
)

// startSpan begins the span of a request; nil without a Tracer, and for what a monitor asks
// all the time.
//
// Spans hold names of the schema, the tenant and codes: no token, no query string, no
// SQL and no row value.
func (h *Handler) startSpan(ctx context.Context, r *http.Request) (context.Context, telemetry.Span) {
	if h.config.Tracer == nil || monitoring(r.URL.Path) {
		return ctx, nil
	}
	method := known(r.Method)
	return h.config.Tracer.Serve(ctx, r.Header, method, slog.String("http.request.method", method))
}

func monitoring(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/metrics"
}

// endSpan names the span after what was asked for, where that is in the schema.
func (h *Handler) endSpan(span telemetry.Span, r *http.Request, info *requestInfo, status int) {
	if span == nil {
		return
	}
	end := telemetry.Outcome{Code: info.code, Failed: status >= http.StatusInternalServerError}
	end.Attributes = append(make([]slog.Attr, 0, 5), slog.Int("http.response.status_code", status),
		slog.String("moat.request_id", info.id))
	if info.target != "" {
		end.Name = known(r.Method) + " " + info.target
		end.Attributes = append(end.Attributes, slog.String("http.route", h.config.Base+"/"+info.target),
			slog.Int64("moat.rows", info.rows))
	}
	if info.tenant != "" {
		end.Attributes = append(end.Attributes, slog.String("moat.tenant", info.tenant))
	}
	span.End(end)
}

// atDatabase begins the span of a request's statements; the returned function ends it.
func (q *request) atDatabase() func(*answer, error) {
	if q.h.config.Tracer == nil {
		return func(*answer, error) {}
	}
	operation := operations[q.Method]
	target, attributes := q.info.target, []slog.Attr{slog.String("db.system.name", "postgresql")}
	if function, isCall := strings.CutPrefix(target, "rpc/"); isCall {
		operation, target = "SELECT", function
		attributes = append(attributes, slog.String("db.stored_procedure.name", q.profile+"."+function))
	} else {
		attributes = append(attributes, slog.String("db.collection.name", q.profile+"."+target))
	}
	attributes = append(attributes, slog.String("db.operation.name", operation))
	span := q.h.config.Tracer.Ask(q.Context(), operation+" "+target, attributes...)
	return func(a *answer, err error) {
		if err == nil {
			span.End(telemetry.Outcome{Attributes: []slog.Attr{slog.Int64("db.response.returned_rows", a.rows)}})
			return
		}
		code := describe(err).Code
		span.End(telemetry.Outcome{Code: code, Failed: true,
			Attributes: []slog.Attr{slog.String("db.response.status_code", code)}})
	}
}

// operations are the statements that requests for a table become.
var operations = map[string]string{
	http.MethodGet: "SELECT", http.MethodHead: "SELECT", http.MethodPost: "INSERT",
	http.MethodPut: "INSERT", http.MethodPatch: "UPDATE", http.MethodDelete: "DELETE",
}
