package database

import (
	"context"

	"github.com/moat-db/moat/prove"
)

// mostTries is how often an attack is made until nobody else wrote beside it, and quietTries how
// often that must show the same: a row that comes and goes leaves a count as it was.
const (
	mostTries  = 16
	quietTries = 6
)

// confirm tells what an attack did from what others wrote meanwhile. A difference from the look
// before is the attack's where the look after it, once it is taken back, is as before; it is
// nobody's where the outcome is as that look. Else others wrote, and it is tried again.
func confirm(ctx context.Context, again func(context.Context) bool, o outcome, judge func(outcome) finding,
	try func() outcome) (finding, outcome) {
	quiet := 0
	for range mostTries {
		if again(ctx) {
			quiet++
		}
		f := judge(o)
		if f.verdict != prove.VerdictLeak || quiet == quietTries {
			return f, o
		}
		o = try()
		if f = judge(o); f.verdict != prove.VerdictLeak {
			return f, o
		}
	}
	return undecided("others write here all the time, so what the attack changed cannot be told apart: run again when " +
		"they do not"), o
}
