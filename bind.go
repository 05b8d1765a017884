package moat

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// binder queues the statement that ties a scope to the transaction it runs in. One
// SELECT sets everything, so that binding is one statement of the batch.
type binder struct {
	sql    string
	extras []extra
	unsent []unsent
	sealer Sealer
	sealed bool
	idType TenantType
}

// extra is a fact of the scope that travels in addition to the tenant.
type extra struct {
	setting string
	value   func(*Scope) string
}

// unsent is a fact of the scope that this DB has no setting for.
type unsent struct {
	option string
	value  func(*Scope) string
}

func newBinder(o Options) *binder {
	b := &binder{idType: o.TenantType, sealer: o.Sealer, sealed: o.Sealer != nil}
	b.add(o.SubjectSetting, "SubjectSetting", func(s *Scope) string { return s.Subject })
	b.add(o.RoleSetting, "RoleSetting", func(s *Scope) string { return s.Role })
	b.add(o.ClaimsSetting, "ClaimsSetting", func(s *Scope) string { return string(s.Claims) })
	names := make([]string, 0, 1+len(b.extras))
	if !b.sealed {
		names = append(names, o.TenantSetting)
	}
	for _, e := range b.extras {
		names = append(names, e.setting)
	}
	if len(names) > 0 {
		b.sql = setConfig(names)
	}
	return b
}

func (b *binder) add(setting, option string, value func(*Scope) string) {
	if setting == "" {
		b.unsent = append(b.unsent, unsent{option, value})
		return
	}
	b.extras = append(b.extras, extra{setting, value})
}

// setConfig returns the SELECT that sets names to $1, $2, … for the transaction.
// The names were checked by Options.withDefaults and hold no quote.
func setConfig(names []string) string {
	calls := make([]string, len(names))
	for i, name := range names {
		calls[i] = fmt.Sprintf("pg_catalog.set_config('%s', $%d, true)", name, i+1)
	}
	return "select " + strings.Join(calls, ", ")
}

// check refuses, before any round trip, a scope that cannot be bound as it is.
func (b *binder) check(s *Scope) error {
	if err := b.idType.Validate(s.Tenant); err != nil {
		return err
	}
	for _, u := range b.unsent {
		if u.value(s) != "" {
			return fmt.Errorf("scope carries a fact that is not sent: set Options.%s", u.option)
		}
	}
	return nil
}

// queue puts the binding statements in front of a batch and returns how many
// results they have.
func (b *binder) queue(ctx context.Context, batch *pgx.Batch, conn *pgx.Conn, s *Scope) (int, error) {
	n := 0
	if b.sealed {
		sql, args, err := b.sealer.Bind(ctx, s.Tenant, conn.PgConn().PID())
		if err != nil {
			return 0, fmt.Errorf("seal tenant: %w", err)
		}
		batch.Queue(sql, args...)
		n++
	}
	if b.sql == "" {
		return n, nil
	}
	batch.Queue(b.sql, b.args(s)...)
	return n + 1, nil
}

// Bind ties the transaction tx to s as a [DB] with these Options would. It is for
// transactions on connections that no DB hands out. It does not look whether row-level
// security binds the connection's role. It returns [ErrNoTenant] before any round trip
// when s has no tenant. o may be nil.
func Bind(ctx context.Context, tx pgx.Tx, s Scope, o *Options) error {
	opts, err := resolve(o)
	if err != nil {
		return err
	}
	b := newBinder(opts)
	if err := b.check(&s); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	if _, err := b.queue(ctx, batch, tx.Conn(), &s); err != nil {
		return err
	}
	return tx.SendBatch(ctx, batch).Close()
}

// args are the values of b.sql, in its order.
func (b *binder) args(s *Scope) []any {
	args := make([]any, 0, 1+len(b.extras))
	if !b.sealed {
		args = append(args, string(s.Tenant))
	}
	for _, e := range b.extras {
		args = append(args, e.value(s))
	}
	return args
}
