package schema

import "github.com/moat-db/moat/catalog"

// grants answers what a role may do, by itself, through PUBLIC and through the roles
// whose privileges it inherits.
type grants struct{ roles map[string]bool }

func newGrants(s *catalog.Snapshot, role string) grants {
	g := grants{roles: map[string]bool{"": true, role: true}}
	for grown := true; grown; {
		grown = false
		for _, m := range s.Memberships {
			if m.Inherit && g.roles[m.Member] && m.Member != "" && !g.roles[m.Role] {
				g.roles[m.Role], grown = true, true
			}
		}
	}
	return g
}

func (g grants) has(list []catalog.Privilege, name string) bool {
	for _, p := range list {
		if p.Name == name && g.roles[p.Grantee] {
			return true
		}
	}
	return false
}
