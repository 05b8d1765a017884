package cli

import (
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/tenancy"
)

// modelOptions are what moat.yaml says about the tenant model.
func modelOptions(c config.Config) tenancy.Options {
	return tenancy.Options{
		Column:  c.Tenant.Column,
		Type:    c.Tenant.Type,
		Setting: c.Tenant.Setting,
		Tenants: qname(c.Tenant.Table),
		Key:     c.Tenant.Key,
		Schemas: c.Tables.Schemas,
		Shared:  qnames(c.Tables.Shared),
		Ignored: qnames(c.Tables.Ignore),
		Columns: c.Tables.Columns,
		Shapes:  c.Shapes(),
	}
}

func qnames(names []string) []catalog.QName {
	out := make([]catalog.QName, 0, len(names))
	for _, n := range names {
		out = append(out, qname(n))
	}
	return out
}

func qname(name string) catalog.QName { return config.Named(name) }
