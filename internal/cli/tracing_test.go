package cli

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/metertest"
	"github.com/moat-db/moat/internal/printed"
	"github.com/moat-db/moat/telemetry"
)

const tenantOfA = "11111111-1111-1111-1111-111111111111"

// served is a running moat serve.
type served struct {
	url, metrics string
	token        string
	errs         *printed.Output
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
	s := &served{token: strings.TrimSpace(token), errs: &printed.Output{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		ended <- Main(ctx, []string{"serve", "--config", file, "--app-url", appURL, "--addr", "127.0.0.1:0"},
			IO{In: strings.NewReader(""), Out: &printed.Output{}, Err: s.errs, Telemetry: measured()})
	}()
	s.stop = sync.OnceValue(func() int { cancel(); return <-ended })
	t.Cleanup(func() { s.stop() })
	address := s.errs.Find(t, `"msg":"serving","address":"([^"]+)"`)
	scheme := "http://"
	if strings.Contains(s.errs.String(), `"tls":true`) {
		scheme = "https://"
	}
	s.url = scheme + address
	if strings.Contains(more, "metrics_address") {
		s.metrics = "http://" + s.errs.Find(t, `"msg":"serving metrics","address":"([^"]+)"`)
	}
	return s
}

// measured keeps metrics in memory.
func measured() Telemetry {
	return Telemetry{Metrics: func() (telemetry.Meter, http.Handler) {
		m := &metertest.Meter{}
		return m, m
	}}
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

// Nothing configured means no tracer at all; a collector without anything that sends to it is an
// error.
func TestNoTracing(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	tracer, flush, err := Telemetry{}.tracer(t.Context(), config.Tracing{}, log)
	if tracer != nil || flush != nil || err != nil {
		t.Errorf("%v %v", tracer, err)
	}
	if _, _, err := (Telemetry{}).tracer(t.Context(), config.Tracing{Endpoint: "http://c:4318"}, log); err == nil {
		t.Error("spans go nowhere, silently")
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
