package catalog

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// errACL is returned for an access list that is not in PostgreSQL's form.
var errACL = errors.New("access list is not readable")

// parseACL reads aclitems, "grantee=arwd*/grantor", into privileges ordered by
// grantee, name and grantor. The order of the items is that of the grants and
// means nothing.
func parseACL(items []string) ([]Privilege, error) {
	var all []Privilege
	for _, item := range items {
		grantee, rest, ok := aclName(item)
		if !ok || !strings.HasPrefix(rest, "=") {
			return nil, errACL
		}
		letters, tail, ok := strings.Cut(rest[1:], "/")
		grantor, rest, named := aclName(tail)
		if !ok || !named || rest != "" {
			return nil, errACL
		}
		for i := 0; i < len(letters); i++ {
			name := privilegeNames[letters[i]]
			if name == "" {
				return nil, errACL
			}
			p := Privilege{Grantee: grantee, Grantor: grantor, Name: name}
			if i+1 < len(letters) && letters[i+1] == '*' {
				p.Grantable = true
				i++
			}
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b Privilege) int {
		return cmp.Or(cmp.Compare(a.Grantee, b.Grantee), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Grantor, b.Grantor))
	})
	return all, nil
}

// aclName takes a role's name, quoted where it needs be, off the front of text.
func aclName(text string) (name, rest string, ok bool) {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '"' && quoted && i+1 < len(text) && text[i+1] == '"':
			b.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == '=' && !quoted:
			return b.String(), text[i:], true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", !quoted
}

// privilegeNames are the privileges that the letters of an aclitem stand for.
var privilegeNames = map[byte]string{
	'a': "INSERT", 'r': "SELECT", 'w': "UPDATE", 'd': "DELETE", 'D': "TRUNCATE", 'x': "REFERENCES", 't': "TRIGGER",
	'm': "MAINTAIN", 'X': "EXECUTE", 'U': "USAGE", 'C': "CREATE", 'c': "CONNECT", 'T': "TEMPORARY", 's': "SET",
	'A': "ALTER SYSTEM",
}
