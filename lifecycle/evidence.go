package lifecycle

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/ledger"
)

// Evidence is what an auditor is given of one database at one moment.
type Evidence struct {
	MadeAt   time.Time `json:"made_at"`
	MadeBy   string    `json:"made_by"`
	Reason   string    `json:"reason"`
	Moat     string    `json:"moat_version"` // the caller's to add
	Database string    `json:"database"`
	Server   int       `json:"server_version"`
	Schema   string    `json:"schema_fingerprint"`
	// Tables says of each table what it is to tenants, and which policies are in force.
	Tables []Guarded `json:"tables"`
	// Bypassing are the roles whom no policy binds on a table of tenants, with the reason.
	Bypassing []Bypass `json:"bypassing"`
	// Log is what operators did, the newest first, and Erasures the certificates; Head is
	// the digest of the newest, to be kept elsewhere.
	Log      []LogLine           `json:"operator_log"`
	Erasures []StoredCertificate `json:"erasures"`
	Head     string              `json:"chain_head"`
	// Results and Files come from whoever has them: what audit and prove found, and the
	// digests of configuration.
	Results []Result     `json:"results"`
	Files   []FileDigest `json:"configuration"`
}

// Guarded is a table with what guards it.
type Guarded struct {
	Table    string           `json:"table"`
	Class    catalog.Class    `json:"class"`
	Why      string           `json:"why"`
	Enabled  bool             `json:"row_level_security"`
	Forced   bool             `json:"forced"`
	Policies []catalog.Policy `json:"policies"`
}

// Bypass is a role that policies do not bind.
type Bypass struct {
	Role   string   `json:"role"`
	Login  bool     `json:"login"`
	Why    string   `json:"why"`
	Tables []string `json:"tables"`
}

// LogLine is a line of moat.operator_log.
type LogLine struct {
	At       time.Time `json:"at"`
	Operator string    `json:"operator"`
	Action   string    `json:"action"`
	Tenant   string    `json:"tenant,omitempty"`
	Reason   string    `json:"reason"`
	Details  string    `json:"details,omitempty"`
}

// Result is a report of audit or prove: a line for people, and the whole of it. Lines are
// what was found and what was accepted, for the page.
type Result struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
	Good    bool   `json:"good"`
	// Server is the release of PostgreSQL, and Schema the fingerprint, of what was looked at.
	Server string          `json:"server_version"`
	Schema string          `json:"schema_fingerprint"`
	Lines  []string        `json:"lines,omitempty"`
	Report json.RawMessage `json:"report"`
}

// Of says of a result that it is of the database as this evidence found it.
func (e *Evidence) Of(r Result) Result {
	r.Server, r.Schema = release(e.Server), e.Schema
	return r
}

// FileDigest is a file with its SHA-256.
type FileDigest struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// Evidence collects what the database says. Results and Files are the caller's to add.
func (o *Operator) Evidence(ctx context.Context) (*Evidence, error) {
	if err := o.log(ctx, "collected evidence", "", ""); err != nil {
		return nil, err
	}
	s := o.view.Snapshot
	e := &Evidence{MadeAt: time.Now().UTC().Truncate(time.Second), MadeBy: o.by.Name, Reason: o.by.Reason,
		Database: s.Database.Name, Server: s.Version, Schema: catalog.Fingerprint(s), Tables: o.guarded(),
		Bypassing: o.bypassing()}
	var err error
	if e.Log, err = o.lines(ctx); err != nil {
		return nil, err
	}
	if e.Erasures, err = o.Certificates(ctx); err != nil {
		return nil, err
	}
	if n := len(e.Erasures); n > 0 {
		e.Head = e.Erasures[n-1].Digest
	}
	return e, nil
}

func (o *Operator) guarded() (all []Guarded) {
	for _, t := range o.view.Model.Tables {
		r := o.view.Relation(t.Table)
		if r == nil {
			continue
		}
		all = append(all, Guarded{t.Table.String(), t.Class, t.Why, r.RLS, r.ForceRLS, r.Policies})
	}
	return all
}

// bypassing lists the roles that no policy binds on a table of tenants.
func (o *Operator) bypassing() (all []Bypass) {
	for _, role := range o.view.Snapshot.Roles {
		if strings.HasPrefix(role.Name, "pg_") {
			continue
		}
		b := Bypass{Role: role.Name, Login: role.Login}
		for _, t := range o.view.Model.Tables {
			r := o.view.Relation(t.Table)
			if r == nil || !t.Class.HasTenants() {
				continue
			}
			why := o.view.Bypasses(role.Name, r)
			if why == "" && !r.RLS && o.view.HasTablePrivilege(role.Name, r, "SELECT") {
				why = "row-level security is not enabled"
			}
			if why != "" {
				b.Why, b.Tables = why, append(b.Tables, t.Table.String())
			}
		}
		if len(b.Tables) > 0 {
			all = append(all, b)
		}
	}
	slices.SortStableFunc(all, func(a, b Bypass) int { return len(b.Tables) - len(a.Tables) })
	return all
}

func (o *Operator) lines(ctx context.Context) ([]LogLine, error) {
	rows, err := o.conn.Query(ctx, "SELECT at, operator, action, coalesce("+ledger.Column(o.view)+"::text, ''), reason, "+
		"details FROM moat.operator_log ORDER BY at DESC, id DESC")
	if err != nil {
		return nil, fmt.Errorf("read the operator log: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (l LogLine, err error) {
		err = row.Scan(&l.At, &l.Operator, &l.Action, &l.Tenant, &l.Reason, &l.Details)
		l.At = l.At.UTC()
		return l, err
	})
}
