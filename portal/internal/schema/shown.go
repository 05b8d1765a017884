package schema

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/serving"
)

// Shown says how a table is shown. It takes away from what the role may do, and never adds.
type Shown struct {
	Look
	// Singular is one row of it: "lead".
	Singular string
	Columns  map[string]Look
	// Views are lists that people find above the rows: a name, and the query of the address,
	// like "f.status=won&sort=value&dir=desc".
	Views map[string]string
}

// Look says how a table or a column is shown.
type Look struct {
	Hidden, ReadOnly bool
	Name             string // empty: made of the database's name
	Order            int    // its place among the others; zero: behind those that have one
}

// mark begins a line of a comment that is about the portal.
const mark = "@portal"

// comment takes the lines about the portal out of a comment. One that cannot be read hides
// what it is about: it may have been meant to.
func comment(text string) (rest string, l Look) {
	var kept []string
	for line := range strings.Lines(text) {
		said, ours := strings.CutPrefix(strings.TrimSpace(line), mark)
		if !ours {
			kept = append(kept, line)
			continue
		}
		l.read(strings.TrimSpace(said))
	}
	return strings.TrimSpace(strings.Join(kept, "")), l
}

func (l *Look) read(said string) {
	word, value, _ := strings.Cut(said, " ")
	n, err := strconv.Atoi(value)
	switch {
	case word == "read-only" && value == "":
		l.ReadOnly = true
	case word == "name" && strings.TrimSpace(value) != "":
		l.Name = strings.TrimSpace(value)
	case word == "order" && err == nil && n > 0:
		l.Order = n
	default:
		l.Hidden = true
	}
}

// over is what a configuration and a comment say together: either hides.
func (l Look) over(comment Look) Look {
	return Look{l.Hidden || comment.Hidden, l.ReadOnly || comment.ReadOnly, cmp.Or(l.Name, comment.Name),
		cmp.Or(l.Order, comment.Order)}
}

// place orders what has a place of its own before all else.
func (l Look) place() int {
	if l.Order <= 0 {
		return 1 << 30
	}
	return l.Order
}

func byName(a, b catalog.QName) int { return cmp.Compare(a.String(), b.String()) }

// known is an error where a configuration names what is not there: what was meant to be hidden
// would be shown.
func known(x *serving.Exposure, shown map[catalog.QName]Shown) error {
	for _, name := range slices.SortedFunc(maps.Keys(shown), byName) {
		r := x.Relation(name)
		if r == nil {
			return fmt.Errorf("portal.tables: there is no table %s", name)
		}
		for _, column := range slices.Sorted(maps.Keys(shown[name].Columns)) {
			if r.Column(column) == nil {
				return fmt.Errorf("portal.tables.%s: there is no column %s", name, column)
			}
		}
	}
	return nil
}
