package sqltext

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// PostgreSQL cuts at 63 bytes; a name that moat makes must not be cut again, stay valid
// text, and differ where what it was made from differs.
func TestName(t *testing.T) {
	t.Parallel()
	if got := Name("leads", "tenant_id", "id", "key"); got != "leads_tenant_id_id_key" {
		t.Errorf("short: %s", got)
	}
	long := strings.Repeat("ä", 40)
	a, b := Name(long, "x", "key"), Name(long, "y", "key")
	for _, name := range []string{a, b, Name(long), Name(strings.Repeat("a", 64)), Name("t", strings.Repeat("b", 300))} {
		if len(name) > 63 || !utf8.ValidString(name) {
			t.Errorf("%d bytes, valid %v: %q", len(name), utf8.ValidString(name), name)
		}
	}
	if a == b || a != Name(long, "x", "key") {
		t.Errorf("%q and %q", a, b)
	}
	if got := Name(strings.Repeat("a", 63)); got != strings.Repeat("a", 63) {
		t.Errorf("63 bytes fit: %q", got)
	}
}

// PostgreSQL ends a dollar quote at the first closing tag, also one that begins in the body.
func TestDollarEndsWhereTheBodyDoes(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "x", "x$moat", "x$moat$", "$moat$x$moat_", "$moat_$x$moat", "a$"} {
		quoted := Dollar(body)
		tag := quoted[:strings.IndexByte(quoted[1:], '$')+2]
		if got, _, _ := strings.Cut(strings.TrimPrefix(quoted, tag), tag); got != body {
			t.Errorf("%q is quoted as %s, which says %q", body, quoted, got)
		}
	}
}
