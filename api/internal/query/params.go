package query

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
)

type param struct{ key, value string }

// split reads key=value pairs. They are sorted by key, the order within a key kept,
// so that the same request gives the same statement whatever order a client writes
// its parameters in.
func split(raw string) ([]param, error) {
	if raw == "" {
		return nil, nil
	}
	params := make([]param, 0, strings.Count(raw, "&")+1)
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		key, value, _ := strings.Cut(part, "=")
		key, err := unescape(key)
		if err != nil {
			return nil, err
		}
		value, err = unescape(value)
		if err != nil {
			return nil, err
		}
		params = append(params, param{key, value})
	}
	slices.SortStableFunc(params, func(a, b param) int { return cmp.Compare(a.key, b.key) })
	return params, nil
}

func unescape(s string) (string, error) {
	if !strings.ContainsAny(s, "%+") {
		return s, nil
	}
	out, err := url.QueryUnescape(s)
	if err != nil {
		return "", problem.Parse("query string", s, "a % is not followed by two hexadecimal digits")
	}
	return out, nil
}
