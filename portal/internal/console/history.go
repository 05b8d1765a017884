package console

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/ledger"
	"github.com/moat-db/moat/prove"
)

// run is one run of the proof in its history. Each has a name of its own, so that no server's
// takes the place of another's.
type run struct {
	At        time.Time     `json:"at"`
	By        string        `json:"by"`
	Verdict   prove.Verdict `json:"verdict"`
	Probes    int           `json:"probes"`
	Leaks     int           `json:"leaks"`
	Undecided int           `json:"undecided"`
	// Fingerprint is that of the schema it was made on.
	Fingerprint string `json:"fingerprint"`
}

const (
	runName = "prove run "
	maxRuns = 20
)

// keepRun keeps the last run whole, and its line in the history.
func keepRun(ctx context.Context, tx pgx.Tx, last proof, by string, at time.Time) error {
	r := last.Report
	line := run{at, by, r.Verdict, len(r.Probes), r.Count(prove.VerdictLeak), r.Count(prove.VerdictUndecided),
		last.Fingerprint}
	if err := ledger.Keep(ctx, tx, runName+at.UTC().Format(time.RFC3339Nano), line); err != nil {
		return err
	}
	return ledger.Keep(ctx, tx, "prove", last)
}

func history(ctx context.Context, tx pgx.Tx) ([]run, error) {
	return ledger.Past[run](ctx, tx, runName, maxRuns)
}
