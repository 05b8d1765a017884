package policy

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// ListsMembers reports whether a tenant table, own being its tenant column, looks by its
// names like one that says which people belong to a tenant or to a team of it, and as what.
func ListsMembers(r *catalog.Relation, own string) bool {
	has := func(is func(string) bool) bool {
		return slices.ContainsFunc(r.Columns, func(c catalog.Column) bool { return c.Name != own && is(c.Name) })
	}
	return NamesPeople(r.Name) && has(roleColumn) && has(personColumn)
}

// DecidesMembership reports whether a column, by its name, says who is a member, of what
// and as what.
func DecidesMembership(name, own string) bool {
	return name == own || roleColumn(name) || personColumn(name)
}

// NamesPeople tells memberships of people from other links between tenants and what is
// shared: the features that a tenant has booked, say.
func NamesPeople(text string) bool {
	return slices.ContainsFunc([]string{"member", "user", "person", "people", "profile", "contact", "staff", "employee"},
		func(word string) bool { return strings.Contains(strings.ToLower(text), word) })
}

// NamesPersonal reports whether a column, by its name, holds what identifies a person or lets
// somebody in as one.
func NamesPersonal(column string) bool {
	name := strings.ToLower(strings.ReplaceAll(column, "_", ""))
	exact := []string{"email", "emailaddress", "mail", "phone", "phonenumber", "mobile", "password", "passwd", "token",
		"secret", "apikey", "ssn", "iban"}
	return slices.Contains(exact, name) || slices.ContainsFunc(
		[]string{"passwordhash", "passworddigest", "hashedpassword", "encryptedpassword", "accesstoken", "refreshtoken",
			"firstname", "lastname", "dateofbirth"},
		func(part string) bool { return strings.Contains(name, part) })
}

// roleColumn reports whether a column, by its name, says what a member may do.
func roleColumn(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "_", ""))
	return slices.Contains([]string{"role", "roles", "roleid", "accountrole", "memberrole", "isadmin", "isowner", "admin",
		"permission", "permissions", "accesslevel"}, name)
}

// personColumn reports whether a column, by its name, refers to a person.
func personColumn(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "_", ""))
	return strings.HasSuffix(name, "id") && NamesPeople(name) && name != "id"
}

// NamesSecret reports whether a column, by its name, holds what opens something to whoever
// knows it.
func NamesSecret(name string) bool { return names(name, "token", "secret", "hash", "nonce") }

// NamesPrivate reports whether a column, by its name, is not even for a colleague to read.
func NamesPrivate(name string) bool {
	return names(name, "passw", "hash", "secret", "token", "salt", "otp")
}

func names(name string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(strings.ToLower(name), part) })
}
