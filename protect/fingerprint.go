package protect

import (
	"slices"

	"github.com/moat-db/moat/catalog"
)

// fingerprint identifies the state of a database that a plan was made from. Roles and what
// is stored with them belong to the cluster: those that other databases use come and go
// meanwhile.
func fingerprint(s *catalog.Snapshot) string {
	own := *s
	own.Roles, own.Memberships = nil, nil
	own.Stored = ofDatabase(s.Stored, func(catalog.StoredSetting) bool { return false })
	return catalog.Fingerprint(&own)
}

// ofDatabase leaves out settings of roles in every database, but for those that are kept.
func ofDatabase(all []catalog.StoredSetting, keep func(catalog.StoredSetting) bool) []catalog.StoredSetting {
	return slices.DeleteFunc(append([]catalog.StoredSetting{}, all...), func(x catalog.StoredSetting) bool {
		return x.Database == "" && !keep(x)
	})
}
