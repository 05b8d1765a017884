package protect

import "github.com/moat-db/moat/catalog"

// fingerprint identifies the state of a database that a plan was made from. Roles
// belong to the cluster: those that other databases use come and go meanwhile.
func fingerprint(s *catalog.Snapshot) string {
	own := *s
	own.Roles, own.Memberships = nil, nil
	return catalog.Fingerprint(&own)
}
