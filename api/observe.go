package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/telemetry"
)

// requestInfo is what a request leaves for the log and the metrics: no token, no row
// value, no query string.
type requestInfo struct {
	id     string
	tenant string
	target string // a table, rpc/function, or "" for what is not in the schema
	rows   int64
	code   string
	cause  error
	timing *timing // nil unless it is asked for
	// refused is why a token is; nil where none was.
	refused *auth.TokenError
}

type infoKey struct{}

func infoOf(r *http.Request) *requestInfo {
	info, _ := r.Context().Value(infoKey{}).(*requestInfo)
	return info
}

var requestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Observe logs and counts what another handler of the same server answers, as the API's own
// requests: the portal's.
func (h *Handler) Observe(next http.Handler, target string) http.Handler {
	return h.observe(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info := infoOf(r)
		info.target = target
		next.ServeHTTP(w, r.WithContext(serving.WithOwner(r.Context(), func(tenant string) { info.tenant = tenant })))
	}))
}

// observe gives each request an id and logs, counts and traces its answer. A panic
// ends as a 500.
func (h *Handler) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		info := &requestInfo{id: r.Header.Get("X-Request-Id"), timing: h.newTiming(start)}
		if !requestID.MatchString(info.id) {
			info.id = newID()
		}
		ctx := context.WithValue(r.Context(), infoKey{}, info)
		ctx, span := h.startSpan(ctx, r)
		out := &statusWriter{ResponseWriter: w, timing: info.timing}
		securityHeaders(w.Header(), info.id)
		if h.ready.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		h.metrics.inFlight.Add(1)
		defer func() {
			h.metrics.inFlight.Add(-1)
			if p := recover(); p != nil {
				h.panicked(out, r, info, p)
			}
			h.finish(r, info, out, time.Since(start), span)
		}()
		next.ServeHTTP(out, r.WithContext(ctx))
	})
}

func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// securityHeaders suit data: nothing is to be sniffed, framed or kept by a shared
// cache.
func securityHeaders(h http.Header, id string) {
	h.Set("X-Request-Id", id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Authorization, Accept, Accept-Profile, Prefer, "+widthHeader+", "+serving.ChoiceHeader)
}

func (h *Handler) panicked(w *statusWriter, r *http.Request, info *requestInfo, p any) {
	if p == http.ErrAbortHandler { //nolint:errorlint // it is compared as net/http does
		panic(p)
	}
	h.config.Logger.Error("panic", "request_id", info.id, "panic", slog.AnyValue(p).Kind().String())
	if w.status == 0 {
		h.writeError(w, r, internal(nil, "MOAT500"))
	}
}

func (h *Handler) finish(r *http.Request, info *requestInfo, w *statusWriter, took time.Duration,
	span telemetry.Span) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	h.metrics.record(r.Method, info, status, took)
	if info.rows > 0 {
		h.config.Gate.Answered(info.tenant, info.rows)
	}
	h.endSpan(span, r, info, status)
	h.access(r, info, status, w.bytes, took, span)
}

func (h *Handler) access(r *http.Request, info *requestInfo, status int, bytes int64, took time.Duration,
	span telemetry.Span) {
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if !h.config.Logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", info.id), slog.String("tenant", info.tenant), slog.String("method", known(r.Method)),
		slog.String("target", info.target), slog.Int("status", status), slog.Int64("rows", info.rows),
		slog.Int64("bytes", bytes), slog.Float64("took_ms", float64(took.Microseconds())/1000),
	}
	if span != nil && span.TraceID() != "" {
		attrs = append(attrs, slog.String("trace_id", span.TraceID()))
	}
	if info.code != "" {
		attrs = append(attrs, slog.String("code", info.code))
	}
	if e := info.refused; e != nil {
		attrs = append(attrs, slog.String("check", string(e.Reason)+": "+e.Check), slog.String("expected", e.Expected),
			slog.String("got", e.Got))
	}
	if info.cause != nil && (status >= http.StatusInternalServerError || status == http.StatusForbidden) {
		attrs = append(attrs, slog.String("cause", serving.Cause(info.cause)))
	}
	h.config.Logger.LogAttrs(r.Context(), level, "request", attrs...)
}

// statusWriter remembers what was sent, and completes the header before it is.
type statusWriter struct {
	http.ResponseWriter
	timing *timing
	status int
	bytes  int64
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.complete()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
		w.complete()
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

func (w *statusWriter) complete() {
	releaseRange(w.Header())
	if w.timing != nil {
		w.timing.mark(phaseResponse)
		w.Header().Set("Server-Timing", w.timing.header())
	}
}

// Unwrap serves http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
