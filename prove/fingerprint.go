package prove

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/moat-db/moat/catalog"
)

// fingerprint is a digest of the schema: relations, policies, functions, roles and
// grants, as the catalog holds them. The same schema has the same fingerprint.
func fingerprint(s *catalog.Snapshot) string {
	c := *s
	c.User, c.Settings = "", nil
	text, err := json.Marshal(c)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
