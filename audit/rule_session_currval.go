package audit

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSessionCurrval = Rule{
	ID: "session-currval", Severity: Low, Holes: []string{"S08"},
	Title: "A session remembers the last sequence value that another tenant drew",
	check: func(f *facts) []Finding {
		var out []Finding
		drawn := f.drawnFrom()
		for r := range catalog.Each(f.s.Relations) {
			if r.Kind != catalog.Sequence {
				continue
			}
			fix := f.revokeSQL(r, "USAGE")
			if len(fix) == 0 {
				continue
			}
			x := onRelation(r,
				"On a pooled connection, currval and lastval return the value that the previous tenant drew.",
				"A session keeps the last value of each sequence. DISCARD SEQUENCES on release clears it.")
			if c := cmp.Or(drawn[r.QName().SQL()], drawn[sqltext.Ident(r.Name)]); c != "" {
				x = x.decide("%s draws from it. Make the column an identity column, which needs no USAGE, or use uuid keys.", c)
			} else {
				x = x.with(fix...)
			}
			out = append(out, x)
		}
		return out
	},
}

// drawnFrom returns the first column whose default draws from a sequence, by the
// sequence's name as the default spells it.
func (f *facts) drawnFrom() map[string]string {
	drawn := map[string]string{}
	for i := range f.s.Relations {
		for _, c := range f.s.Relations[i].Columns {
			if !strings.Contains(c.Default, "nextval(") {
				continue
			}
			for _, t := range sqltext.Code(c.Default) {
				if t.Kind == sqltext.String && drawn[t.Value()] == "" {
					drawn[t.Value()] = fmt.Sprintf("%s.%s", f.s.Relations[i].QName(), c.Name)
				}
			}
		}
	}
	return drawn
}
