package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/moat-db/moat/internal/list"
)

// Fingerprint returns the SHA-256, in hexadecimal, of what a Snapshot says of the
// database: the same schema gives the same fingerprint whoever looks, and however
// many rows there are. Two Snapshots of one database differ in it when an object, a
// grant, a role or a stored setting changed between them.
func Fingerprint(s *Snapshot) string {
	c := *s
	// Who looks, and what that role could not see, is not a part of the schema; nor is
	// the number of large objects, which are rows.
	c.User, c.Unseen, c.LargeObjects, c.Settings = "", nil, 0, nil
	c.Schemas = nil
	c.Schemas = append(c.Schemas, list.Map(s.Schemas, seen)...)
	return fingerprint(c)
}

// seen is a schema without what the role that looked could not see of it.
func seen(s Schema) Schema {
	s.Unseen = nil
	return s
}

func fingerprint(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic("catalog: a Snapshot is plain values, yet: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
