package stdlib

import (
	"database/sql"

	"github.com/jackc/pgx/v5/pgxpool"
)

func OpenDBFromPool(*pgxpool.Pool) *sql.DB { return nil }
