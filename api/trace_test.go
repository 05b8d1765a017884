package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/moat-db/moat/api"
)

const (
	parentTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentSpan  = "00f067aa0ba902b7"
	traceparent = "traceparent: 00-" + parentTrace + "-" + parentSpan + "-01"
)

// traced starts an API whose spans are kept.
func traced(t *testing.T) (*server, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return serve(t, func(c *api.Config) { c.Tracer = provider.Tracer("test") }), spans
}

func attributes(s trace.ReadOnlySpan) map[string]string {
	out := map[string]string{}
	for _, a := range s.Attributes() {
		out[string(a.Key)] = a.Value.String()
	}
	return out
}

// A request's span continues where the client's ends, and holds that of its statement.
func TestTrace(t *testing.T) {
	t.Parallel()
	s, spans := traced(t)
	s.do(t, call{path: "leads?select=id&name=eq.Ada&limit=1", header: []string{traceparent, "X-Request-Id: r-1"}})
	ended := spans.Ended()
	if len(ended) != 2 {
		t.Fatalf("%d spans", len(ended))
	}
	statement, request := ended[0], ended[1]
	if request.Name() != "GET leads" || request.SpanContext().TraceID().String() != parentTrace ||
		request.Parent().SpanID().String() != parentSpan || !request.Parent().IsRemote() {
		t.Errorf("%s of %v", request.Name(), request.Parent())
	}
	if statement.Name() != "SELECT leads" || statement.Parent().SpanID() != request.SpanContext().SpanID() {
		t.Errorf("%s of %v", statement.Name(), statement.Parent())
	}
	want := map[string]string{"http.request.method": "GET", "http.response.status_code": "200",
		"http.route":      "/rest/v1/leads",
		"moat.request_id": "r-1", "moat.rows": "1", "moat.tenant": tenantA}
	if diff := cmp.Diff(want, attributes(request)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	want = map[string]string{"db.system.name": "postgresql", "db.operation.name": "SELECT",
		"db.collection.name": "app.leads", "db.response.returned_rows": "1"}
	if diff := cmp.Diff(want, attributes(statement)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !strings.Contains(s.log.String(), `"trace_id":"`+parentTrace+`"`) {
		t.Error("the access log does not name the trace")
	}
}

// Failures are marked by their codes; what a monitor asks leaves no span.
func TestTraceOfFailures(t *testing.T) {
	t.Parallel()
	s, spans := traced(t)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		s.do(t, call{path: path})
	}
	if n := len(spans.Ended()); n != 0 {
		t.Errorf("%d spans of health and metrics", n)
	}
	for _, c := range []struct {
		call
		name, code string
		status     codes.Code
	}{
		{call{method: "POST", path: "rpc/sleepy", body: `{"seconds":10}`}, "POST rpc/sleepy", "57014", codes.Error},
		{call{path: "leads?id=eq.x"}, "GET leads", "22P02", codes.Unset},
		{call{path: "made-up-by-a-client"}, "GET", "PGRST205", codes.Unset},
		{call{path: "rpc/made-up-by-a-client"}, "GET", "PGRST202", codes.Unset},
		{call{tenant: tenantC, path: "leads"}, "GET leads", "MOAT104", codes.Unset},
		{call{method: "BREW", path: "leads"}, "other leads", "PGRST117", codes.Unset},
	} {
		s.do(t, c.call)
		ended := spans.Ended()
		got := ended[len(ended)-1]
		if got.Name() != c.name || attributes(got)["error.type"] != c.code || got.Status().Code != c.status {
			t.Errorf("%s: %q, %v, %v", c.path, got.Name(), attributes(got), got.Status())
		}
	}
}

// No span holds a token, a header, a value of the query string, of a body or of a row.
func TestTraceHoldsNoValues(t *testing.T) {
	t.Parallel()
	s, spans := traced(t)
	s.do(t, call{path: "leads?name=eq.Ada&select=name,status->>hidden-key",
		header: []string{"Cookie: session=hidden-cookie", "tracestate: vendor=ok"}})
	s.do(t, call{method: "POST", path: "labels", body: `{"id":77,"name":"hidden-label"}`,
		header: []string{"Prefer: return=representation"}})
	s.do(t, call{method: "POST", path: "labels", body: `{"id":77,"name":"hidden-label"}`})
	text := ""
	for _, span := range spans.Ended() {
		text += fmt.Sprintln(span.Name(), attributes(span), span.Events(), span.Status(), span.Links())
	}
	for _, hidden := range []string{"hidden", "Ada", "Bearer", s.token(t, tenantA)} {
		if strings.Contains(text, hidden) {
			t.Errorf("%q is in the spans:\n%s", hidden, text)
		}
	}
	if !strings.Contains(text, "23505") {
		t.Errorf("the duplicate key left no code:\n%s", text)
	}
}

// Names that clients make up do not become labels: a metric for each would grow
// without a bound.
func TestMadeUpNamesAreNoLabels(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, path := range []string{"rpc/made-up", "made-up", "made-up/1"} {
		s.do(t, call{path: path})
	}
	if got := s.do(t, call{path: "/metrics"}); strings.Contains(got.Body, "made-up") ||
		strings.Contains(s.log.String(), `"target":"rpc/made-up"`) {
		t.Errorf("a client's own names are labels:\n%s", got.Body)
	}
}
