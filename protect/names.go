package protect

import (
	"strconv"

	"github.com/moat-db/moat/internal/sqltext"
)

// free returns the first of base, base_1, base_2 … that is not taken.
func free(base string, taken func(string) bool) string {
	candidate := base
	for i := 1; taken(candidate); i++ {
		candidate = sqltext.Name(base, "m", strconv.Itoa(i))
	}
	return candidate
}
