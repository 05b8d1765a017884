package seal

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/roles"
	"github.com/moat-db/moat/internal/sqltext"
)

//go:embed install.sql
var installTemplate string

//go:embed enter.sql
var enterTemplate string

//go:embed signed.sql
var signedTemplate string

//go:embed unseal.sql
var unsealTemplate string

//go:embed facts.sql
var factsTemplate string

//go:embed uninstall.sql
var uninstallTemplate string

// DefaultOwner is the role that owns the functions of sealed mode. It is a role of its
// own: whoever owns the functions can read the keys.
const DefaultOwner = roles.Sealer

// InstallOptions say for whom sealed mode is installed.
type InstallOptions struct {
	// Applications are the roles that may bind and read the tenant: the application
	// role, and the definer of search functions where there is one. They must exist.
	Applications []string
	// Owner is the role that owns the functions; it is created where it is missing
	// and must not be able to log in. Zero means [DefaultOwner].
	Owner string
	// Setting is the plain tenant setting. Binding a sealed tenant sets it as well,
	// for column defaults, and so that policies of both kinds work while they are
	// switched. Zero means [moat.DefaultTenantSetting].
	Setting string
}

func (o InstallOptions) withDefaults() InstallOptions {
	if o.Owner == "" {
		o.Owner = DefaultOwner
	}
	if o.Setting == "" {
		o.Setting = moat.DefaultTenantSetting
	}
	return o
}

// InstallSQL returns what [Install] runs: a script for one transaction that holds no
// secret and changes nothing when run again. It ends with schema moat, the empty key
// table and the functions enter, current_tenant and current_fact.
func InstallSQL(o InstallOptions) (string, error) {
	o = o.withDefaults()
	if len(o.Applications) == 0 {
		return "", errors.New("install sealed mode: no application role named")
	}
	return strings.NewReplacer(
		":functions", functionsSQL(o.Setting),
		":grants", grantsSQL(o.Applications),
		":owner_text", sqltext.Literal(o.Owner),
		":owner", sqltext.Ident(o.Owner),
		":application_texts", "ARRAY["+list.Join(o.Applications, ", ", sqltext.Literal)+"]::name[]",
	).Replace(installTemplate), nil
}

func functionsSQL(setting string) string {
	return enterSQL(setting) + "\n" + currentTenantSQL() + "\n" + currentFactSQL()
}

func enterSQL(setting string) string {
	return strings.NewReplacer(":setting", sqltext.Literal(setting), ":signed", strings.TrimSpace(signedTemplate)).
		Replace(enterTemplate)
}

// bodyOf returns what stands between the dollar quotes.
func bodyOf(create string) string {
	_, rest, _ := strings.Cut(create, "$moat$")
	body, _, _ := strings.Cut(rest, "$moat$")
	return body
}

func currentTenantSQL() string {
	return strings.NewReplacer(":name", "current_tenant()", ":returned", "the tenant of the transaction",
		":otherwise", "returns NULL", ":give", "  RETURN substr(opened, 65);").Replace(unsealTemplate)
}

func currentFactSQL() string {
	return strings.NewReplacer(":name", "current_fact(name text)",
		":returned", "the subject, issuer, role or claims of the scope", ":otherwise", "raises",
		":give", strings.TrimRight(factsTemplate, "\n")).Replace(unsealTemplate)
}

// signatures are the functions that applications call.
const signatures = "moat.enter(text, bigint, text, bytea, text), moat.current_tenant(), moat.current_fact(text)"

func grantsSQL(roles []string) string {
	to := sqltext.Idents(roles)
	return "GRANT USAGE ON SCHEMA moat TO " + to + ";\nGRANT EXECUTE ON FUNCTION " + signatures + " TO " + to + ";"
}

// Install installs sealed mode, or brings it up to date. Nothing reads it until a key
// is added ([AddKey]) and the policies are switched ([Switch]).
//
// conn is a superuser's, or a role's that may create roles and schemas. It returns
// [moat.ErrObserved] while the database is only observed, and an error where an
// application role could replace the functions or read the keys.
func Install(ctx context.Context, conn *pgx.Conn, o InstallOptions) error {
	sql, err := InstallSQL(o)
	if err != nil {
		return err
	}
	if err := moat.CheckObserved(ctx, conn); err != nil {
		return fmt.Errorf("install sealed mode: %w", err)
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		return err
	})
	if err != nil {
		return fmt.Errorf("install sealed mode: %w", err)
	}
	return nil
}

// UninstallSQL returns what [Uninstall] runs.
func UninstallSQL(o InstallOptions) string {
	o = o.withDefaults()
	return strings.NewReplacer(":owner_text", sqltext.Literal(o.Owner), ":owner", sqltext.Ident(o.Owner)).
		Replace(uninstallTemplate)
}

// Uninstall removes the functions, the keys and, where nothing else uses it, the
// owner role. It fails, and changes nothing, while a policy still reads the sealed
// tenant: [Switch] to plain first. The schema stays where it holds other things.
func Uninstall(ctx context.Context, conn *pgx.Conn, o InstallOptions) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := conn.PgConn().Exec(ctx, UninstallSQL(o)).ReadAll()
		return err
	})
	if err != nil {
		return fmt.Errorf("uninstall sealed mode: %w", err)
	}
	return nil
}
