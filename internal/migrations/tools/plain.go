package tools

// plain is a folder of SQL files, one a migration and up only: also sqlc's, Supabase's
// and Prisma's.
func plain() *Tool {
	return &Tool{
		Name:  "plain",
		Write: func(m Migration) []File { return []File{{m.Name + ".sql", m.Comments + m.wrapped(m.Up)}} },
	}
}
