package cli

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/moat-db/moat/internal/config"
)

const (
	tenantOfA   = "11111111-1111-1111-1111-111111111111"
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

// served is a running moat serve.
type served struct {
	url, metrics string
	token        string
	errs         *output
	stop         func() int
}

// startServe runs moat serve over the database of leadsDatabase, with these lines at
// the end of its configuration.
func startServe(t *testing.T, more string) *served {
	t.Helper()
	d, role := leadsDatabase(t)
	return startServeOn(t, d.As(t, role), more)
}

func startServeOn(t *testing.T, appURL, more string) *served {
	t.Helper()
	file := write(t, "moat.yaml", strings.ReplaceAll(goodIssuer, "%s",
		write(t, "secret", strings.Repeat("k", 32)))+"\nportal: {disabled: true}\n"+more)
	code, token, errs := run(t, "token", "--config", file, "--tenant", tenantOfA)
	if code != exitOK {
		t.Fatal(errs)
	}
	s := &served{token: strings.TrimSpace(token), errs: &output{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		ended <- Main(ctx, []string{"serve", "--config", file, "--app-url", appURL, "--addr", "127.0.0.1:0"},
			IO{In: strings.NewReader(""), Out: &output{}, Err: s.errs})
	}()
	s.stop = sync.OnceValue(func() int { cancel(); return <-ended })
	t.Cleanup(func() { s.stop() })
	s.errs.waitFor(t, `"msg":"serving"`)
	scheme := "http://"
	if strings.Contains(s.errs.String(), `"tls":true`) {
		scheme = "https://"
	}
	s.url = scheme + s.address(`"msg":"serving","address":"([^"]+)"`)
	if strings.Contains(more, "metrics_address") {
		s.errs.waitFor(t, `"msg":"serving metrics"`)
		s.metrics = "http://" + s.address(`"msg":"serving metrics","address":"([^"]+)"`)
	}
	return s
}

func (s *served) address(pattern string) string {
	return regexp.MustCompile(pattern).FindStringSubmatch(s.errs.String())[1]
}

// get asks with the token and these headers ("Name: value").
func (s *served) get(t *testing.T, address string, headers ...string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// A request is a span of the caller's trace at the collector, with its statement
// inside, once the server has ended: the last spans are not lost. It holds no secret.
func TestServeTraces(t *testing.T) {
	t.Parallel()
	c := newReceiver(t)
	s := startServe(t, "serve: {tracing: {endpoint: "+c.URL+"}}")
	status, body := s.get(t, s.url+"/rest/v1/leads?name=eq.a&select=id,name",
		"traceparent: 00-"+parentTrace+"-"+parentSpan+"-01")
	if status != http.StatusOK || body != `[{"id":1,"name":"a"}]` {
		t.Fatalf("%d %s", status, body)
	}
	if code := s.stop(); code != exitOK {
		t.Fatalf("exit %d: %s", code, s.errs)
	}
	spans, about := c.spans()
	request, statement := spans["GET leads"], spans["SELECT leads"]
	if request == nil || statement == nil {
		t.Fatalf("spans %v", spans)
	}
	if hexOf(request.TraceId) != parentTrace || hexOf(request.ParentSpanId) != parentSpan ||
		hexOf(statement.ParentSpanId) != hexOf(request.SpanId) {
		t.Errorf("request %v, statement %v", request, statement)
	}
	got := texts(request.Attributes)
	if got["http.route"] != "/rest/v1/leads" || got["http.response.status_code"] != "200" ||
		got["moat.tenant"] != tenantOfA || about["service.name"] != "moat" {
		t.Errorf("attributes %v of %v", got, about)
	}
	for _, hidden := range []string{s.token, "Bearer", "eq.a", "select", "postgres://"} {
		if strings.Contains(c.raw.String(), hidden) {
			t.Errorf("%q went to the collector", hidden)
		}
	}
	if !strings.Contains(s.errs.String(), `"trace_id":"`+parentTrace+`"`) {
		t.Error("the access log does not name the trace")
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var out strings.Builder
	for _, c := range b {
		out.WriteByte(digits[c>>4])
		out.WriteByte(digits[c&15])
	}
	return out.String()
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
		// The bound is that of the flush, and some for a busy machine: a test of an end,
		// not of a speed.
		if took := time.Since(began); code != exitOK || took > flushTimeout+10*time.Second {
			t.Errorf("%s: exit %d after %s", what, code, took)
		}
		if n := strings.Count(s.errs.String(), "traces are not exported"); n > 1 {
			t.Errorf("%s: said %d times", what, n)
		}
	}
}

// What OpenTelemetry's SDK would pass over is an error, and says which variable.
func TestTracingEnvironment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env            map[string]string
		file           string
		endpoint, want string // want is part of the error
	}{
		{},
		{file: "http://file:4318", endpoint: "http://file:4318/v1/traces"},
		{env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:4318/base/"}, file: "http://file:4318",
			endpoint: "https://c:4318/base/v1/traces"},
		{env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318",
			"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"}, endpoint: "http://t/x"},
		{env: map[string]string{"OTEL_SDK_DISABLED": "TRUE"}, file: "http://file:4318"},
		{env: map[string]string{"OTEL_TRACES_EXPORTER": "none"}, file: "http://file:4318"},
		{env: map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, file: "http://file:4318", want: "OTEL_TRACES_EXPORTER"},
		{env: map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, file: "http://file:4317", want: "http/protobuf"},
		{env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, want: "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://%zz"},
			want: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"},
	} {
		got, err := tracingEndpoint(config.Tracing{Endpoint: c.file}, func(name string) string { return c.env[name] })
		if got != c.endpoint || (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v, %q: %q, %v", c.env, c.file, got, err)
		}
	}
	for name, argument := range map[string]string{"sometimes": "", "traceidratio": "2",
		"parentbased_traceidratio": "half"} {
		env := map[string]string{"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument}
		if err := checkSampler(func(name string) string { return env[name] }); err == nil ||
			!strings.Contains(err.Error(), "OTEL_TRACES_SAMPLER") {
			t.Errorf("%v: %v", env, err)
		}
	}
}

// Nothing configured means no tracer at all.
func TestNoTracing(t *testing.T) {
	t.Parallel()
	tracer, flush, err := openTracing(t.Context(), config.Tracing{}, slog.New(slog.DiscardHandler))
	if tracer != nil || flush != nil || err != nil {
		t.Errorf("%v %v", tracer, err)
	}
}

// The metrics on an address of their own are not on that of the API, and nothing else
// is there.
func TestMetricsAddress(t *testing.T) {
	t.Parallel()
	s := startServe(t, "serve: {metrics_address: '127.0.0.1:0', server_timing: true}")
	s.get(t, s.url+"/rest/v1/leads")
	if status, body := s.get(t, s.url+"/metrics"); status != http.StatusNotFound || strings.Contains(body, "moat_http") {
		t.Errorf("public: %d %s", status, body)
	}
	if status, body := s.get(t, s.metrics+"/metrics"); status != http.StatusOK ||
		!strings.Contains(body, `target="leads"`) {
		t.Errorf("own: %d %s", status, body)
	}
	for _, path := range []string{"/rest/v1/leads", "/healthz", "/debug/pprof/", "/"} {
		if status, _ := s.get(t, s.metrics+path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	line := s.errs.String()
	line = line[strings.Index(line, `{"time"`):]
	for entry := range strings.Lines(line) {
		if !json.Valid([]byte(entry)) {
			t.Errorf("not a line of JSON: %s", entry)
		}
	}
}
