package proxy

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/moat-db/moat/telemetry"
)

// span is that of a statement. It holds the tenant, what kind of statement it was, how many
// rows it had and the SQLSTATE of its error: no token, no SQL and no row value. It is nil
// without a Tracer.
type span struct {
	telemetry.Span
	outcome telemetry.Outcome
	over    bool
}

func (x *span) end() {
	if x != nil && !x.over {
		x.over = true
		x.End(x.outcome)
	}
}

// done names the span after a tag such as INSERT 0 1: what was done, and to how many rows.
func (x *span) done(tag string) {
	x.outcome.Name = strings.TrimRight(tag, " 0123456789")
	x.outcome.Attributes = []slog.Attr{slog.String("db.operation.name", x.outcome.Name)}
	if rows, err := strconv.Atoi(tag[strings.LastIndexByte(tag, ' ')+1:]); err == nil {
		x.outcome.Attributes = append(x.outcome.Attributes, slog.Int("moat.rows", rows))
	}
}

func (x *span) failed(code string) {
	x.outcome.Code = code
	x.outcome.Attributes = append(x.outcome.Attributes, slog.String("db.response.status_code", code))
	x.end()
}

// ignored ends the span of a statement that the server never came to, after an error in a pipeline.
func (x *span) ignored() {
	if x != nil {
		x.failed(codeIgnored)
	}
}

// startSpan begins the span of a statement, as the child of the one that its text names.
func (s *session) startSpan(parent string) *span {
	tracer := s.proxy.config.Tracer
	if tracer == nil {
		return nil
	}
	header := http.Header{}
	if parent != "" {
		header.Set("Traceparent", parent)
	}
	attributes := []slog.Attr{slog.String("db.system.name", "postgresql"),
		slog.String("db.namespace", s.proxy.config.Server.Database)}
	if tenant := s.turn.scope.Tenant; tenant != "" {
		attributes = append(attributes, slog.String("moat.tenant", string(tenant)))
	}
	_, started := tracer.Serve(context.Background(), header, "statement", attributes...)
	return &span{Span: started}
}

// parent is the trace that a client names in a comment, as sqlcommenter writes it:
// /*traceparent='00-…'*/. Without a Tracer nothing is looked for.
func (s *session) parent(sql string) string {
	const mark = "traceparent='"
	at := strings.LastIndex(sql, mark)
	if s.proxy.config.Tracer == nil || at < 0 {
		return ""
	}
	value, _, _ := strings.Cut(sql[at+len(mark):], "'")
	return value
}

// traced takes the server's answer to a statement: the tag of what was done, or an error. Of
// a simple query there may be more.
func (x slot) traced(m *message) {
	switch {
	case x.span == nil:
	case m.kind == 'E':
		x.span.failed(sqlstate(m.body))
	case m.kind == 'C':
		x.span.done(string(bytes.TrimSuffix(m.body, []byte{0})))
	}
	if x.kind != 'Q' {
		x.span.end()
	}
}

// faulted gives an error to the statement that it keeps from being done: the parsing of one
// may fail, or the binding before it.
func (s *session) faulted(m *message) {
	for _, x := range s.slots {
		if x.span != nil || x.kind == 'S' || x.kind == 'Q' {
			x.traced(m)
			return
		}
	}
}

// sqlstate is the code of an error.
func sqlstate(body []byte) string {
	for field := range bytes.SplitSeq(body, []byte{0}) {
		if len(field) > 0 && field[0] == 'C' {
			return string(field[1:])
		}
	}
	return ""
}

// abandon ends the spans of statements that were never answered.
func (s *session) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.slots {
		if x.span != nil {
			x.span.failed(codeServer)
		}
	}
}
