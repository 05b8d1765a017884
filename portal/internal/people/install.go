package people

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/roles"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

//go:embed install.sql
var install string

// NotPreparedError says that the functions are missing, or of another version, and may not be
// created. SQL creates them, once, as an administrator.
type NotPreparedError struct{ SQL string }

func (e *NotPreparedError) Error() string {
	return "moat.invitation and its functions are missing, and the role that keeps sessions may not create them"
}

// Link is where a database says who is a member, with which role.
type Link struct {
	Table                        catalog.QName
	Tenant, Person, Role, Issuer string // columns; Role "" where there are none, Issuer "" where subjects are of one
	Accepted                     string // without a value the row is only an invitation; "": none

	// People holds who the members are; its Name is "" where there is no such table.
	People                 catalog.QName
	PeopleKey, Email, Name string // columns; "" where there is none
}

var errNoMembers = errors.New("portal.people: nothing says who is a member with which role: " +
	"declare caller with a role, or one table under tables.members")

// Find finds the link in what was declared: caller, or the only table of members.
func Find(v *policy.View) (*Link, error) {
	shapes, l := v.Model.Shapes, &Link{}
	switch c := shapes.Caller; {
	case c != nil:
		l = &Link{Table: c.Table, Tenant: cmp.Or(c.Tenant, v.Model.Column), Person: cmp.Or(c.Subject, "subject"),
			Role: c.Role, Issuer: c.Issuer}
	case len(shapes.Members) == 1:
		m := shapes.Members[0]
		l = &Link{Table: m.Through, Person: m.Person, Tenant: v.Model.Column}
		if t := v.Table(m.Through); t != nil {
			l.Tenant = t.Column
		}
		if r := v.Relation(m.Through); r != nil && r.Column("role") != nil {
			l.Role = "role"
		}
	default:
		return nil, errNoMembers
	}
	r := v.Relation(l.Table)
	for _, column := range []string{l.Tenant, l.Person, cmp.Or(l.Role, l.Person)} {
		if r == nil || r.Column(column) == nil {
			return nil, fmt.Errorf("portal.people: %s has no column %s", l.Table, column)
		}
	}
	l.people(v)
	return l, nil
}

// Managed is [Find], where members have roles: an error otherwise.
func Managed(v *policy.View) (*Link, error) {
	l, err := Find(v)
	if err == nil && l.Role == "" {
		err = errNoMembers
	}
	return l, err
}

// people finds the table of people behind the link.
func (l *Link) people(v *policy.View) {
	m := v.Model.Shapes.LinkOf(l.Table)
	if m != nil {
		l.Accepted, l.People, l.PeopleKey = m.Accepted, m.Table, m.Key
	}
	for _, k := range v.Relation(l.Table).Constraints {
		if l.People.Name == "" && k.Type == catalog.ForeignKey && slices.Equal(k.Columns, []string{l.Person}) {
			l.People, l.PeopleKey = k.References, k.RefColumns[0]
		}
	}
	r := v.Relation(l.People)
	if r == nil {
		l.People = catalog.QName{}
		return
	}
	if l.PeopleKey == "" && len(r.PrimaryKey()) == 1 {
		l.PeopleKey = r.PrimaryKey()[0]
	}
	first := func(names ...string) string {
		i := slices.IndexFunc(names, func(n string) bool { return r.Column(n) != nil })
		if i < 0 {
			return ""
		}
		return names[i]
	}
	l.Email, l.Name = first("email", "email_address", "mail"), first("name", "full_name", "display_name")
}

// SQL creates the table and the functions: for who keeps sessions, and none of the applications.
func (l *Link) SQL(v *policy.View, admins, applications []string, keeper string) string {
	r := v.Relation(l.Table)
	typ := func(column string) string { return r.Column(column).Type }
	ofIssuer := func(n string) string {
		if l.Issuer == "" {
			return "true"
		}
		return "m." + sqltext.Ident(l.Issuer) + "::text = " + n
	}
	accepted := "true"
	columns := []string{sqltext.Ident(l.Tenant), sqltext.Ident(l.Person), sqltext.Ident(l.Role)}
	values := []string{"i.tenant::" + typ(l.Tenant), "$3::" + typ(l.Person), "i.role::" + typ(l.Role)}
	if l.Accepted != "" {
		accepted = "m." + sqltext.Ident(l.Accepted) + " IS NOT NULL"
		columns, values = append(columns, sqltext.Ident(l.Accepted)), append(values, "now()")
	}
	if l.Issuer != "" {
		columns, values = append(columns, sqltext.Ident(l.Issuer)), append(values, "$2")
	}
	quoted := list.Map(admins, sqltext.Literal)
	schemas, grant, person := []string{sqltext.Ident(l.Table.Schema)}, "", ""
	if l.People.Name != "" && l.PeopleKey != "" {
		if l.People.Schema != l.Table.Schema {
			schemas = append(schemas, sqltext.Ident(l.People.Schema))
		}
		grant = "GRANT SELECT, INSERT ON " + l.People.SQL() + " TO {{definer}};"
		person = l.makePerson(v)
	}
	text := strings.NewReplacer("{{grant_person}}", grant, "{{make_person}}", person, "{{schemas}}",
		strings.Join(schemas, ", "), "{{link}}", l.Table.SQL(), "{{tenant}}", sqltext.Ident(l.Tenant), "{{person}}",
		sqltext.Ident(l.Person), "{{role}}", sqltext.Ident(l.Role), "{{role_type}}", typ(l.Role), "{{accepted}}", accepted,
		"{{of_issuer}}", ofIssuer("$2"), "{{of_issuer_4}}", ofIssuer("$4"), "{{insert_columns}}",
		strings.Join(columns, ", "), "{{insert_values}}", strings.Join(values, ", "),
		"{{admins}}", "ARRAY["+strings.Join(quoted, ", ")+"]::text[]").Replace(install)
	from := []string{"PUBLIC"}
	from = append(from, list.Map(applications, sqltext.Role)...)
	text = strings.NewReplacer("{{version}}", version(text+keeper), "{{definer}}", sqltext.Ident(roles.Definer),
		"{{keeper}}", sqltext.Role(keeper)).Replace(text)
	return strings.ReplaceAll(text, "{{public}}", strings.Join(from, ", "))
}

func version(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// makePerson adds who accepts to the table of people, where there is none such yet.
func (l *Link) makePerson(v *policy.View) string {
	columns := []string{sqltext.Ident(l.PeopleKey)}
	values := []string{"$3::" + v.Relation(l.People).Column(l.PeopleKey).Type}
	if l.Email != "" {
		columns, values = append(columns, sqltext.Ident(l.Email)), append(values, "i.email")
	}
	if l.Name != "" {
		columns, values = append(columns, sqltext.Ident(l.Name)), append(values, "coalesce(nullif($5, ''), i.email)")
	}
	return "  BEGIN\n    INSERT INTO " + l.People.SQL() + " (" + strings.Join(columns, ", ") + ") VALUES (" +
		strings.Join(values, ", ") + ") ON CONFLICT (" + sqltext.Ident(l.PeopleKey) + ") DO NOTHING;\n" +
		"  EXCEPTION WHEN unique_violation OR not_null_violation OR check_violation OR invalid_text_representation THEN\n" +
		"    RAISE EXCEPTION 'the sign-in does not fit the table of people' USING ERRCODE = 'MP008';\n  END;"
}

// Prepare creates the table and the functions, unless they are there as the configuration
// wants them. It is an error where nothing says who is a member, or where the application role
// may call the functions.
func (s *Store) Prepare(ctx context.Context, v *policy.View) error {
	l, err := Managed(v)
	if err != nil {
		return err
	}
	var keeper, now string
	const look = `select current_user::text, coalesce((select min(pg_catalog.obj_description(p.oid, 'pg_proc'))
		from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
		where n.nspname = 'moat' and p.proname = 'people_accept'), '')`
	if err := s.Pool.QueryRow(ctx, look).Scan(&keeper, &now); err != nil {
		return fmt.Errorf("look for moat.people_accept: %w", err)
	}
	application := v.Snapshot.User
	sql := l.SQL(v, s.Admins, []string{application}, keeper)
	if !strings.Contains(sql, "IS '"+now+"'") || now == "" {
		if err := s.create(ctx, sql); err != nil {
			return err
		}
	}
	return s.apart(ctx, application)
}

func (s *Store) create(ctx context.Context, sql string) error {
	conn, err := pgx.ConnectConfig(ctx, cmp.Or(s.Admin, s.Pool.Config().ConnConfig).Copy())
	if err != nil {
		return fmt.Errorf("create moat.invitation: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42501" {
		return &NotPreparedError{SQL: sql}
	}
	return err
}

// apart looks at every role that the application role is or can become.
func (s *Store) apart(ctx context.Context, application string) error {
	const rights = `select coalesce(min(r.rolname::text), '') from pg_catalog.pg_roles r
		where pg_catalog.pg_has_role($1, r.oid, 'MEMBER') and (
			pg_catalog.has_any_column_privilege(r.oid, 'moat.invitation', 'SELECT, INSERT, UPDATE')
			or pg_catalog.has_table_privilege(r.oid, 'moat.invitation', 'DELETE, TRUNCATE, TRIGGER')
			or exists (select from pg_catalog.pg_proc p where p.pronamespace = 'moat'::pg_catalog.regnamespace
				and p.proname like 'people\_%' and pg_catalog.has_function_privilege(r.oid, p.oid, 'EXECUTE')))`
	var role string
	if err := s.Pool.QueryRow(ctx, rights, application).Scan(&role); err != nil {
		return fmt.Errorf("look at the rights on moat.invitation: %w", err)
	}
	if role != "" {
		return fmt.Errorf("role %s, which the application role is or can become, may invite or change members: revoke it",
			role)
	}
	return nil
}
