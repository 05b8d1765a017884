package audit

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSealOldKey = Rule{
	ID: "seal-old-key", Severity: Medium,
	Title: "Signing keys that were replaced are still accepted",
	check: func(f *facts) []Finding {
		var out []Finding
		if len(f.o.Evidence.SealKeys) > 0 {
			x := f.onDatabase(
				"A key that leaked from an old file or backup can still sign for any tenant.",
				"A newer key has existed for more than a day, and these keys have no end date: "+
					strings.Join(f.o.Evidence.SealKeys, ", ")+".")
			for _, id := range f.o.Evidence.SealKeys {
				x = x.with(fmt.Sprintf("UPDATE %s SET valid_until = now() + interval '1 hour' "+
					"WHERE id = %s AND valid_until IS NULL", sealKeyTable.SQL(), sqltext.Literal(id)))
			}
			out = append(out, x)
		}
		return out
	},
}
