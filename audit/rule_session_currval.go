package audit

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSessionCurrval = Rule{
	ID: "session-currval", Severity: Low, Holes: []string{"S08"},
	Title: "A session remembers the last number another tenant drew",
	Check: func(f *facts) []Finding {
		var out []Finding
		for i := range f.s.Relations {
			r := &f.s.Relations[i]
			if r.Kind != catalog.Sequence {
				continue
			}
			fix := f.revokeSQL(r, "USAGE")
			if len(fix) == 0 {
				continue
			}
			x := onRelation(r,
				"On a pooled connection currval and lastval return the number that the tenant before drew.",
				"What a sequence last gave is kept for the session; DISCARD SEQUENCES on release ends it.")
			if c := f.defaultFrom(r); c != "" {
				x = x.decide("%s draws from it: make the column an identity column, which needs no USAGE, or use uuid keys.", c)
			} else {
				x = x.with(fix...)
			}
			out = append(out, x)
		}
		return out
	},
}

// defaultFrom returns the column whose default draws from a sequence, "" for none.
func (f *facts) defaultFrom(seq *catalog.Relation) string {
	for i := range f.s.Relations {
		for _, c := range f.s.Relations[i].Columns {
			if strings.Contains(c.Default, "nextval(") && (strings.Contains(c.Default, "'"+seq.QName().SQL()+"'") || strings.Contains(c.Default, "'"+sqltext.Ident(seq.Name)+"'")) {
				return fmt.Sprintf("%s.%s", f.s.Relations[i].QName(), c.Name)
			}
		}
	}
	return ""
}
