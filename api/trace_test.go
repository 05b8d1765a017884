package api_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/telemetry"
)

const (
	parentTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentSpan  = "00f067aa0ba902b7"
	traceparent = "traceparent: 00-" + parentTrace + "-" + parentSpan + "-01"
)

// recorder is a Tracer that keeps the spans that ended.
type recorder struct {
	mu    sync.Mutex
	spans []*recorded
}

type recorded struct {
	by          *recorder
	name        string
	traceparent string    // of a request
	within      *recorded // of a statement
	attributes  map[string]string
	failed      bool
}

func (r *recorder) Serve(ctx context.Context, header http.Header, name string,
	attributes ...slog.Attr) (context.Context, telemetry.Span) {
	s := &recorded{by: r, name: name, traceparent: header.Get("traceparent"), attributes: map[string]string{}}
	s.add(attributes)
	return context.WithValue(ctx, r, s), s
}

func (r *recorder) Ask(ctx context.Context, name string, attributes ...slog.Attr) telemetry.Span {
	s := &recorded{by: r, name: name, attributes: map[string]string{}}
	s.within, _ = ctx.Value(r).(*recorded)
	s.add(attributes)
	return s
}

func (r *recorder) ended() []*recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spans
}

func (s *recorded) add(attributes []slog.Attr) {
	for _, a := range attributes {
		s.attributes[a.Key] = a.Value.String()
	}
}

func (s *recorded) TraceID() string {
	_, after, _ := strings.Cut(s.traceparent, "-")
	id, _, _ := strings.Cut(after, "-")
	return id
}

func (s *recorded) End(o telemetry.Outcome) {
	s.add(append(o.Attributes, slog.String("error.type", o.Code)))
	if s.failed = o.Failed; o.Code == "" {
		delete(s.attributes, "error.type")
	}
	if o.Name != "" {
		s.name = o.Name
	}
	s.by.mu.Lock()
	defer s.by.mu.Unlock()
	s.by.spans = append(s.by.spans, s)
}

// traced starts an API whose spans are kept.
func traced(t *testing.T) (*server, *recorder) {
	t.Helper()
	spans := &recorder{}
	return serve(t, func(c *api.Config) { c.Tracer = spans }), spans
}

// A request's span continues where the client's ends, and holds that of its statement.
func TestTrace(t *testing.T) {
	t.Parallel()
	s, spans := traced(t)
	s.do(t, call{path: "leads?select=id&name=eq.Ada&limit=1", header: []string{traceparent, "X-Request-Id: r-1"}})
	ended := spans.ended()
	if len(ended) != 2 {
		t.Fatalf("%d spans", len(ended))
	}
	statement, request := ended[0], ended[1]
	if request.name != "GET leads" || request.traceparent != "00-"+parentTrace+"-"+parentSpan+"-01" {
		t.Errorf("%s of %v", request.name, request.traceparent)
	}
	if statement.name != "SELECT leads" || statement.within != request {
		t.Errorf("%s within %v", statement.name, statement.within)
	}
	want := map[string]string{"http.request.method": "GET", "http.response.status_code": "200",
		"http.route":      "/rest/v1/leads",
		"moat.request_id": "r-1", "moat.rows": "1", "moat.tenant": tenantA}
	if diff := cmp.Diff(want, request.attributes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	want = map[string]string{"db.system.name": "postgresql", "db.operation.name": "SELECT",
		"db.collection.name": "app.leads", "db.response.returned_rows": "1"}
	if diff := cmp.Diff(want, statement.attributes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if !strings.Contains(s.log.String(), `"trace_id":"`+parentTrace+`"`) {
		t.Error("the access log does not name the trace")
	}
}

// Failures are marked by their codes; what a monitor asks leaves no span.
func TestTraceOfFailures(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestTraceHoldsNoValues
	s, spans := traced(t)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		s.do(t, call{path: path})
	}
	if n := len(spans.ended()); n != 0 {
		t.Errorf("%d spans of health and metrics", n)
	}
	for _, c := range []struct {
		call
		name, code string
		failed     bool
	}{
		{call{method: "POST", path: "rpc/sleepy", body: `{"seconds":10}`}, "POST rpc/sleepy", "57014", true},
		{call{path: "leads?id=eq.x"}, "GET leads", "22P02", false},
		{call{path: "made-up-by-a-client"}, "GET", "PGRST205", false},
		{call{path: "rpc/made-up-by-a-client"}, "GET", "PGRST202", false},
		{call{tenant: tenantC, path: "leads"}, "GET leads", "MOAT104", false},
		{call{method: "BREW", path: "leads"}, "other leads", "PGRST117", false},
	} {
		s.do(t, c.call)
		ended := spans.ended()
		got := ended[len(ended)-1]
		if got.name != c.name || got.attributes["error.type"] != c.code || got.failed != c.failed {
			t.Errorf("%s: %q, %v, %v", c.path, got.name, got.attributes, got.failed)
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
	for _, span := range spans.ended() {
		text += fmt.Sprintln(span.name, span.attributes)
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
