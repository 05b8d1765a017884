package protect

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

// unbuilt refuses the shapes that no plan is made for yet: a plan without them would put
// walls around rows that others are to see.
func unbuilt(s *catalog.Shapes) error {
	for key, declared := range map[string]bool{
		"tenant.parent": s.Tree != nil, "caller": s.Caller != nil, "tables.members": len(s.Members) > 0,
		"tables.shared_rows": len(s.SharedRows) > 0, "tables.from_above": len(s.FromAbove) > 0,
		"tables.parties": len(s.Parties) > 0, "tables.shares": len(s.Shares) > 0,
		"tables.owned_by": len(s.OwnedBy) > 0, "tables.inside": len(s.Inside) > 0,
	} {
		if declared {
			return fmt.Errorf("moat protect does not plan %s yet; plan those tables by hand", key)
		}
	}
	return nil
}
