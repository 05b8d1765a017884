package audittest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/audit/audittest"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// In a program's own tests, after its migrations have run.
func ExampleCheck() {
	_ = func(t *testing.T, ownerURL string) {
		audittest.Check(t, ownerURL, audittest.Options{Model: tenancy.Options{Roles: []string{"app"}}})
	}
}

// recorder keeps what would fail a test.
type recorder struct {
	testing.TB
	failed []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failed = append(r.failed, fmt.Sprintf(format, args...))
}

// Check fails for a hole, says what closes it, and passes once that has run.
func TestCheck(t *testing.T) {
	t.Parallel()
	h := audittest.Holes(t)[0]
	f := h.Setup(t, pgtest.Shared(t))
	look := func() []string {
		r := &recorder{TB: t}
		audittest.Check(r, f.URL, audittest.Options{Model: tenancy.Options{Roles: []string{f.App}},
			Audit: audit.Options{Elsewhere: true}})
		return r.failed
	}
	if got := strings.Join(look(), "\n"); !strings.Contains(got, h.Object) && !strings.Contains(got, f.App) {
		t.Errorf("%s on %s is not among:\n%s", h.ID, h.Object, got)
	}
	f.Mend(t)
	if got := look(); len(got) > 0 {
		t.Errorf("mended, and still: %s", strings.Join(got, "\n"))
	}
}
