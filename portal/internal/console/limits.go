package console

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/portal/internal/frame"
)

// setLimits gives a client limits of its own. An empty field means what all may take.
func (p *Pages) setLimits(_ http.ResponseWriter, r *http.Request, s *frame.Session) error {
	reason, err := reasonOf(r)
	if err != nil {
		return err
	}
	own, ok := limitsOf(r)
	if !ok {
		return &frame.Refusal{Status: http.StatusUnprocessableEntity, Title: "A limit is a number above zero",
			Hint: "Leave a field empty for what all clients may take."}
	}
	path := ""
	err = p.operator(r, s, reason, func(ctx context.Context, o *lifecycle.Operator, one tenant) error {
		path = one.Path()
		return o.SetLimit(ctx, one.ID, own)
	})
	if err != nil {
		return err
	}
	return frame.Elsewhere(path + "?done=limited")
}

func limitsOf(r *http.Request) (own lifecycle.Limit, ok bool) {
	ok = true
	whole := func(name string) *int {
		n, err := strconv.Atoi(given(r, name, &ok))
		if err != nil {
			return nil
		}
		return &n
	}
	if rate, err := strconv.ParseFloat(given(r, "rate", &ok), 64); err == nil {
		own.RequestsPerSecond = &rate
	}
	own.Burst, own.Concurrent, own.Connections = whole("burst"), whole("concurrent"), whole("connections")
	return own, ok
}

// given is what was entered for a limit, "" for nothing. ok becomes false where that is no
// number above zero.
func given(r *http.Request, name string, ok *bool) string {
	v := strings.TrimSpace(r.PostFormValue(name))
	n, err := strconv.ParseFloat(v, 64)
	whole := name == "rate" || n == float64(int(n))
	if v != "" && (err != nil || !(n > 0 && n < 1e9) || !whole) {
		*ok = false
	}
	return v
}
