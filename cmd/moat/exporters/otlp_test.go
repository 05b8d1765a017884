package exporters_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

const (
	parentTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentSpan  = "00f067aa0ba902b7"
)

// receiver is an OTLP collector that keeps what it gets.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*collector.ExportTraceServiceRequest
	raw      strings.Builder
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	c := &receiver{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got := &collector.ExportTraceServiceRequest{}
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, got) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests = append(c.requests, got)
		c.raw.Write(body)
	}))
	t.Cleanup(c.Close)
	return c
}

// spans are those received, by name, and the attributes of the service.
func (c *receiver) spans() (map[string]*tracepb.Span, map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	spans, about := map[string]*tracepb.Span{}, map[string]string{}
	for _, r := range c.requests {
		for _, rs := range r.ResourceSpans {
			about = texts(rs.Resource.Attributes)
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					spans[s.Name] = s
				}
			}
		}
	}
	return spans, about
}

func texts(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range list {
		text := a.Value.GetStringValue()
		if text == "" {
			text, _ = strings.CutPrefix(a.Value.String(), "int_value:")
		}
		out[a.Key] = text
	}
	return out
}

// A request is a span of the caller's trace at the collector, with its statement
// inside, once the server has ended: the last spans are not lost. It holds no secret.
func TestServeTraces(t *testing.T) {
	t.Parallel()
	c := newReceiver(t)
	s := startServe(t, "serve: {tracing: {endpoint: "+c.URL+"}}")
	status, body := s.get(t, s.url+"/rest/v1/leads?id=eq.1&select=id",
		"traceparent: 00-"+parentTrace+"-"+parentSpan+"-01")
	if status != http.StatusOK || body != `[{"id":1}]` {
		t.Fatalf("%d %s", status, body)
	}
	if code := s.stop(); code != 0 {
		t.Fatalf("exit %d: %s", code, s.errs)
	}
	spans, about := c.spans()
	request, statement := spans["GET leads"], spans["SELECT leads"]
	if request == nil || statement == nil {
		t.Fatalf("spans %v", spans)
	}
	if hex.EncodeToString(request.TraceId) != parentTrace || hex.EncodeToString(request.ParentSpanId) != parentSpan ||
		hex.EncodeToString(statement.ParentSpanId) != hex.EncodeToString(request.SpanId) {
		t.Errorf("request %v, statement %v", request, statement)
	}
	got := texts(request.Attributes)
	if got["http.route"] != "/rest/v1/leads" || got["http.response.status_code"] != "200" ||
		got["moat.tenant"] != tenantA || about["service.name"] != "moat" {
		t.Errorf("attributes %v of %v", got, about)
	}
	for _, hidden := range []string{s.token, "Bearer", "eq.1", "select", "postgres://"} {
		if strings.Contains(c.raw.String(), hidden) {
			t.Errorf("%q went to the collector", hidden)
		}
	}
	if !strings.Contains(s.errs.String(), `"trace_id":"`+parentTrace+`"`) {
		t.Error("the access log does not name the trace")
	}
}

// Requests do not wait for a collector, whether it is away or takes what it is sent and
// never answers; nor does the end, for long. The log says it once.
func TestCollectorThatFails(t *testing.T) {
	t.Parallel()
	forever := make(chan struct{})
	stuck := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-forever }))
	t.Cleanup(stuck.Close)
	t.Cleanup(func() { close(forever) })
	for what, endpoint := range map[string]string{"away": "http://127.0.0.1:1", "stuck": stuck.URL} {
		s := startServe(t, "serve: {tracing: {endpoint: "+endpoint+"}}\nlimits: {requests_per_second: 0}")
		for range 600 { // more than a batch
			if status, body := s.get(t, s.url+"/rest/v1/leads"); status != http.StatusOK {
				t.Fatalf("%s: %d %s", what, status, body)
			}
		}
		began := time.Now()
		code := s.stop()
		// The bound is that of the flush, 3 s, and some for a busy machine: a test of an end,
		// not of a speed.
		if took := time.Since(began); code != 0 || took > 13*time.Second {
			t.Errorf("%s: exit %d after %s", what, code, took)
		}
		if n := strings.Count(s.errs.String(), "traces are not exported"); n > 1 {
			t.Errorf("%s: said %d times", what, n)
		}
	}
}
