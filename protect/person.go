package protect

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// PersonError is returned by [New] for a database whose policies ask who the caller is,
// and not which tenant is current. A wall by one tenant would hide from people what
// those policies show them, so nothing is planned.
type PersonError struct {
	Setting    string
	Claim      []string
	Membership *catalog.ColumnRef
}

func (e *PersonError) Error() string {
	source := strings.Join(append([]string{e.Setting}, e.Claim...), " → ")
	if e.Membership != nil {
		return fmt.Sprintf("the policies of this database find a caller's tenants in %s, by %s: "+
			"a wall around one current tenant would hide rows that they show", e.Membership.Relation, source)
	}
	return fmt.Sprintf("the policies of this database read who the caller is (%s), and not which tenant is current",
		source)
}
