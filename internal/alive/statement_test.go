package alive

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Statements sent at once have the statement timeout once, or as often as the context says.
func TestStatementsEndSoonAfterTheirTimeout(t *testing.T) {
	t.Parallel()
	tracer := Statements(5*time.Second, 0).(interface {
		pgx.QueryTracer
		pgx.BatchTracer
	})
	for name, c := range map[string]struct {
		ctx  context.Context
		want time.Duration // 0 for none
	}{
		"once":             {t.Context(), 7 * time.Second},
		"twice":            {Times(t.Context(), 2), 12 * time.Second},
		"as the caller is": {Times(t.Context(), 0), 0},
	} {
		for kind, ctx := range map[string]context.Context{
			"query": tracer.TraceQueryStart(c.ctx, nil, pgx.TraceQueryStartData{}),
			"batch": tracer.TraceBatchStart(c.ctx, nil, pgx.TraceBatchStartData{}),
		} {
			end, bounded := ctx.Deadline()
			if left := time.Until(end); bounded != (c.want > 0) || bounded && (left > c.want || left < c.want-time.Second) {
				t.Errorf("%s, %s: %v left, want %v", name, kind, left, c.want)
			}
			tracer.TraceQueryEnd(ctx, nil, pgx.TraceQueryEndData{})
			if bounded && ctx.Err() == nil {
				t.Errorf("%s, %s: goes on after its end", name, kind)
			}
		}
	}
}
