package main

import (
	"errors"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// TestMeasures keeps the benchmark able to run: what protect asks changes, and nothing else
// answers it here. Ratios over so few rows mean nothing.
func TestMeasures(t *testing.T) {
	pgtest.Full(t) // short: none, it measures
	for _, sealed := range []bool{false, true} {
		err := run(t.Context(), 0, 20_000, 5*time.Millisecond, sealed, "")
		if err != nil && !errors.Is(err, errMissed) {
			t.Errorf("sealed %v: %v", sealed, err)
		}
	}
}
