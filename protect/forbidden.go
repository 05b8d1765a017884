package protect

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
)

// may reports whether the connected role may change what owner owns.
func (p *planner) may(owner string) bool {
	return p.user.Super || p.Joined(p.user.Name, owner, catalog.Usage)
}

// dropForbidden moves steps on tables that the connected role does not own to the
// list of what it may not do.
func (p *planner) dropForbidden() {
	if p.user.Super {
		return
	}
	var kept []Step
	gone := map[string]bool{}
	for _, s := range p.plan.Steps {
		owner := p.ownerOf(s)
		if !s.needsAny(gone) && (owner == "" || p.may(owner)) {
			kept = append(kept, s)
			continue
		}
		gone[s.ID] = true
		p.leave(Left{Title: s.Title + " (" + key(s.Table) + ")",
			Reason: fmt.Sprintf("%s does not own the table", p.user.Name), SQL: s.SQL})
	}
	p.plan.Steps = kept
}

func (p *planner) ownerOf(s Step) string {
	if s.Table == (catalog.QName{}) {
		return ""
	}
	if rel := p.Relation(s.Table); rel != nil {
		return rel.Owner
	}
	return ""
}
