package telemetry

import (
	"context"
	"log/slog"
	"net/http"
)

// Tracer begins spans. Attributes have the names of OpenTelemetry's semantic conventions, and
// texts or whole numbers as values.
type Tracer interface {
	// Serve begins the span of a request, as the child of the one that its header names. The
	// context is for what happens within it.
	Serve(ctx context.Context, header http.Header, name string, attributes ...slog.Attr) (context.Context, Span)
	// Ask begins the span of a question to the database, within that of ctx.
	Ask(ctx context.Context, name string, attributes ...slog.Attr) Span
}

// Span is a part of a trace that lasts.
type Span interface {
	// TraceID is that of the whole trace, in hexadecimal; "" where there is none.
	TraceID() string
	// End ends the span.
	End(Outcome)
}

// Outcome is what is known of a span at its end.
type Outcome struct {
	// Name takes the place of the name at the beginning; "" keeps that.
	Name string
	// Code is that of an error; "" means none.
	Code string
	// Failed marks the span: the error is the server's, not the caller's.
	Failed bool
	// Attributes join those of the beginning.
	Attributes []slog.Attr
}
