package database

import (
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// spread is what Citus has made of the table; nil where it knows nothing of it.
func (st *site) spread() *catalog.Distributed {
	if st.rel == nil || st.prover == nil {
		return nil
	}
	return st.prover.view.Distributed(st.rel.QName())
}

// routed narrows a condition on B's rows to those of B's shard, for statements that Citus runs
// on one shard only.
func (st *site) routed(alias string) string {
	if st.tenant == "" || !st.spread().Spread() {
		return ""
	}
	return " AND " + alias + "." + sqltext.Ident(st.tenant) + " = " + lit(st.b)
}
