package catalog

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed leakproof.txt
var leakproofText string

// newestMajor is the last major version that the list knows.
const newestMajor = 19

// leakproofFunctions returns the built-in functions that are leakproof as this
// major version ships them. Of a newer version than the list knows it returns the last
// one's: which functions that version added cannot be told from those that somebody
// marked, and [loader.functions] says so.
func leakproofFunctions(version int) []OID {
	major := min(max(version/10000, 14), newestMajor) // 13 differs in none that matters
	var known []OID
	wanted := false
	for line := range strings.Lines(leakproofText) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		var from, to int
		if n, _ := fmt.Sscanf(line, "[%d-%d]", &from, &to); n == 2 {
			wanted = from <= major && major <= to
			continue
		}
		if !wanted {
			continue
		}
		for field := range strings.FieldsSeq(line) {
			if oid, err := strconv.ParseUint(field, 10, 32); err == nil {
				known = append(known, OID(oid))
			}
		}
	}
	return known
}
