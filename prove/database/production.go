package database

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/moat-db/moat/internal/english"
)

// ProductionError is returned for a database that looks like production. Signs are
// what made it look so, in sentences.
type ProductionError struct{ Signs []string }

func (e *ProductionError) Error() string {
	return "this looks like production: " + strings.Join(e.Signs, "; ")
}

// The signs: other people's connections, and a name.
const (
	manyClients = 10
	largeBytes  = 50 << 30
)

var productionName = regexp.MustCompile(`(?i)(^|[^a-z])(prod|production|live|primary|master)([^a-z]|$)`)

// refuseProduction looks for signs of production: the name of the database or host,
// the connections of others, the size.
func (p *prover) refuseProduction(ctx context.Context, conn *pgx.Conn) error {
	if p.Production {
		return nil
	}
	var signs []string
	for _, name := range []string{p.operatorConfig.Database, p.operatorConfig.Host, p.appConfig.Host} {
		if productionName.MatchString(name) {
			signs = append(signs, fmt.Sprintf("the name %q says so", name))
			break
		}
	}
	var clients, bytes int64
	err := conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity
		WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
		  AND application_name NOT LIKE 'moat%' AND state_change > now() - interval '10 minutes'),
		pg_catalog.pg_database_size(current_database())`).Scan(&clients, &bytes)
	if err != nil {
		return fmt.Errorf("look for signs of production: %w", err)
	}
	if clients > manyClients {
		signs = append(signs, english.Count(clients, "recent connection of others", "recent connections of others"))
	}
	if bytes > largeBytes {
		signs = append(signs, fmt.Sprintf("it holds %d GB", bytes>>30))
	}
	if len(signs) > 0 {
		return &ProductionError{Signs: signs}
	}
	return nil
}
