package tools

// prisma keeps each migration in a folder of its own, and knows no way down. Prisma sends
// a file as one query: what cannot run in a transaction is alone in its file.
func prisma() *Tool {
	return &Tool{
		Name: "prisma", Tables: []string{"_prisma_migrations"},
		Write: func(m Migration) []File {
			return []File{{m.Name + "/migration.sql", m.Comments + m.wrapped(m.Up)}}
		},
	}
}
