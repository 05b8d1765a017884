package moatriver

import (
	"cmp"
	_ "embed"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
)

// PolicyOptions say whom River's tables are for.
type PolicyOptions struct {
	// Schema is where River's tables are. Zero means "public".
	Schema string
	// Application is the role that enqueues jobs as tenants; required.
	Application string
	// Worker is the role of the clients that work jobs; required. It sees all jobs and
	// nothing else, and must not be the Application.
	Worker string
	// TenantSetting and TenantType are those of [moat.Options].
	TenantSetting string
	TenantType    moat.TenantType
}

//go:embed policies.sql
var policies string

// Policies returns the SQL that the owner of River's tables runs once after River's own
// migrations: it gives river_job a tenant column, read from the metadata, and policies
// over it, and grants both roles what they need. Running it again changes nothing.
func Policies(o PolicyOptions) (string, error) {
	if o.Application == "" || o.Worker == "" || o.Application == o.Worker {
		return "", errors.New("name an application role and another role for the workers")
	}
	o.Schema = cmp.Or(o.Schema, "public")
	o.TenantType = cmp.Or(o.TenantType, moat.UUID)
	o.TenantSetting = cmp.Or(o.TenantSetting, moat.DefaultTenantSetting)
	if err := check(o); err != nil {
		return "", err
	}
	quote := func(name string) string { return pgx.Identifier{name}.Sanitize() }
	return strings.NewReplacer("{schema}", quote(o.Schema), "{application}", quote(o.Application),
		"{worker}", quote(o.Worker), "{type}", string(o.TenantType), "{setting}", o.TenantSetting).Replace(policies), nil
}

// check asks package moat whether it would take the setting and the type.
func check(o PolicyOptions) error {
	_, err := moat.Settings(moat.Scope{Tenant: " "},
		&moat.Options{TenantSetting: o.TenantSetting, TenantType: o.TenantType})
	if _, ok := errors.AsType[*moat.InvalidTenantError](err); ok {
		return nil // the tenant is none, all else is well
	}
	return err
}
