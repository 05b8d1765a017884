package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/policy"
)

// checkScope compares how policies learn who is asking with what moat.yaml says. Where they do not
// agree, nobody sees a row, and each request is told that there is no such tenant.
func (s *service) checkScope(v *policy.View) error {
	if v.Sealed() && !s.config.Sealed.Enabled {
		return withHint(errors.New("the policies read the sealed tenant, and sealed.enabled is not set"),
			"sealed: {enabled: true, key_file: …} as on the servers before, or moat seal off --apply")
	}
	if subject := s.config.Tenant.SubjectSetting; v.Model.Setting == subject && v.Model.Shapes.Caller == nil {
		return withHint(fmt.Errorf("the policies find a caller's tenants by %s, and caller is not in moat.yaml", subject),
			"caller: {table: …, subject: …, tenant: …}, as the database was protected")
	}
	return nil
}

// checkSignature has the database verify a signature of the server's: a key that it does not have,
// or has for one connection only behind a pooler, would refuse every request.
func (s *service) checkSignature(ctx context.Context) error {
	if !s.config.Sealed.Enabled {
		return nil
	}
	scope := moat.Scope{Tenant: nobody(s.config.Tenant.Type)}
	err := s.db.InReadTx(moat.WithScope(ctx, scope), func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "select "+policy.SealedTenantCall())
		return err
	})
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "28000" {
		return withHint(fmt.Errorf("sealed: %s", refused.Message), "moat seal key status compares the keys of the database "+
			"with %s; behind a pooler, moat seal key rotate --any-connection --apply", s.config.Sealed.KeyFile)
	}
	return nil // whatever else is wrong, the checks of the schema say it better
}

// nobody is a value of a tenant's type that no tenant has to have.
func nobody(kind string) moat.Tenant {
	switch kind {
	case string(moat.UUID):
		return "00000000-0000-0000-0000-000000000000"
	case string(moat.Text):
		return "moat"
	}
	return "0"
}
