package seal_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/seal"
)

var brace = regexp.MustCompile(`\{[a-zA-Z ]+\}`)

// fill puts what the attacker knows, forged or stole into the text of an attack that
// runs on the connection with this process id.
func (a *target) fill(t *testing.T, text string, backend uint32) string {
	t.Helper()
	return brace.ReplaceAllStringFunc(text, func(word string) string { return a.proof(t, word, backend) })
}

func (a *target) proof(t *testing.T, word string, backend uint32) string {
	t.Helper()
	switch word {
	case "{A}":
		return string(tenantA)
	case "{B}":
		return string(tenantB)
	case "{zeros}":
		return strings.Repeat("0", 64)
	case "{key}":
		return a.Key.ID()
	case "{sealer}":
		return a.Owner
	case "{role}":
		return a.Role
	case "{seal earlier}": // B's sealed value of an earlier transaction of this connection
		return a.stolen
	case "{seal elsewhere}": // B's sealed value of a transaction that is open elsewhere
		var value string
		must(t, a.other.QueryRow(t.Context(), "select current_setting('moat.sealed', true)").Scan(&value))
		return value
	case "{enter live}": // B's token for this connection, unexpired
		return a.token(t, a.Key, tenantB, tenantB, backend, 0)
	case "{enter elsewhere}": // B's token for another connection
		return a.token(t, a.Key, tenantB, tenantB, a.other.PgConn().PID(), 0)
	case "{enter expired}":
		return a.token(t, a.Key, tenantB, tenantB, backend, -time.Minute)
	case "{enter eternal}": // valid for longer than the database allows
		return a.token(t, a.Key, tenantB, tenantB, backend, 6*time.Minute)
	case "{enter retired}": // with a key that the database has retired
		return a.token(t, a.retired, tenantB, tenantB, backend, 0)
	case "{enter unknown}": // with a key that the database never had
		return a.token(t, seal.NewKey(), tenantB, tenantB, backend, 0)
	case "{enter renamed}": // A's token with B's name on it
		return a.token(t, a.Key, tenantA, tenantB, backend, 0)
	case "{enter anywhere}": // for any connection, though the key is bound to one
		return a.token(t, a.Key, tenantB, tenantB, 0, 0)
	}
	t.Fatalf("unknown word %s", word)
	return ""
}

// token renders a call of moat.enter whose token was signed for one tenant and names
// another; shift moves the time of signing.
func (a *target) token(t *testing.T, k seal.Key, signed, named moat.Tenant, backend uint32,
	shift time.Duration) string {
	t.Helper()
	s := sealerOf(t, k, nil)
	seal.SetClock(s, func() time.Time { return time.Now().Add(shift) })
	_, args, err := s.Bind(t.Context(), signed, backend)
	must(t, err)
	args[0] = named
	return "moat.enter(" + literalArgs(args) + ")"
}

// literalArgs renders the arguments of a binding as SQL.
func literalArgs(args []any) string {
	return fmt.Sprintf("'%s', %d, '%s', '\\x%x', '%s'", args...)
}
