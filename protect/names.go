package protect

import (
	"strconv"

	"github.com/moat-db/moat/internal/sqltext"
)

// ours marks the names of keys that are on their way to the name of the key which they
// replace: one without it is a team's own.
const ours = "moat"

// free returns the first of base, base_1, base_2 … that is not taken.
func free(base string, taken func(string) bool) string {
	candidate := base
	for i := 1; taken(candidate); i++ {
		candidate = sqltext.Name(base, "m", strconv.Itoa(i))
	}
	return candidate
}
