package query

import (
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
)

// ApplyRange narrows r to the Range header (items=0-9, or 0-9). A header that is not
// such a range is ignored, as RFC 9110, 14.2 asks.
func ApplyRange(r *Read, header string) error {
	text := strings.TrimPrefix(strings.TrimSpace(header), "items=")
	first, last, found := strings.Cut(text, "-")
	if !found {
		return nil
	}
	low, err := strconv.ParseInt(first, 10, 64)
	if err != nil || low < 0 {
		return nil
	}
	if last == "" {
		narrow(r, low, nil)
		return nil
	}
	high, err := strconv.ParseInt(last, 10, 64)
	if err != nil || high < 0 {
		return nil
	}
	if high < low {
		return problem.New(http.StatusRequestedRangeNotSatisfiable, "PGRST103", "Requested range not satisfiable").
			WithDetails("The lower boundary must be lower than or equal to the upper boundary in the Range header.")
	}
	n := min(high-low, math.MaxInt64-1) + 1
	narrow(r, low, &n)
	return nil
}

// narrow intersects the page that r has with offset and limit of the header.
func narrow(r *Read, offset int64, limit *int64) {
	if offset > r.Offset {
		if r.Limit != nil {
			left := max(0, *r.Limit-(offset-r.Offset))
			r.Limit = &left
		}
		r.Offset = offset
	}
	if limit != nil && (r.Limit == nil || *limit < *r.Limit) {
		r.Limit = limit
	}
}
