package tools

// alembic runs Python: its users get plain SQL, up and down, for op.execute in an
// autocommit block. docs/how-to/migrate-after-protect.md has the revision that does it.
func alembic() *Tool {
	return &Tool{
		Name: "alembic", Tables: []string{"alembic_version"},
		Write: func(m Migration) []File {
			return []File{{m.Name + ".sql", m.Comments + m.wrapped(m.Up)}, {m.Name + ".down.sql", m.wrapped(m.Down)}}
		},
	}
}
