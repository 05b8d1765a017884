package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleGrantRawPages = Rule{
	ID: "grant-raw-pages", Severity: High, Holes: []string{"O20"},
	Title: "The application role can read raw pages, locks or log records",
	check: each(functions, func(f *facts, fn *catalog.Function, report reporter) {
		files := fn.System && slices.Contains(fileFunctions, fn.Name) &&
			len(f.grantsToApps(fn.Privileges, "EXECUTE", fn.Owner)) > 0
		raw := files || slices.Contains(rawFunctions, fn.Name) && (fn.Extension != "" || fn.System)
		if fn.Extension == "" && !fn.System {
			files = fn.Definer && f.body(fn).Mentions(fileFunctions...)
			raw = files || f.body(fn).Mentions(rawFunctions...)
		}
		if !raw || !f.callable(fn) {
			return
		}
		x := onFunction(fn,
			"The function shows the stored rows, row locks or transactions of every tenant.",
			"Policies do not apply to pages, locks and log records.")
		if fn.Definer && f.body(fn).Mentions(pageContents...) {
			x.Severity = Critical // the extension's own functions still ask for a superuser
			x.Message = "Every tenant can read the stored rows of the others, column by column, as bytes."
		}
		if files {
			x.Severity = Critical
			x.Message = "The function reads files of the server, and every tenant's rows are in its files."
			x.Why = "Policies do not apply to files."
		}
		for _, p := range f.grantsToApps(fn.Privileges, "EXECUTE", "\x00") {
			x = x.with(fmt.Sprintf("REVOKE EXECUTE ON %s %s FROM %s", routine(fn), functionSQL(fn), sqltext.Role(p.Grantee)))
		}
		report(x)
	}),
}

// rawFunctions are those of pageinspect, pgrowlocks, pgstattuple, pg_walinspect,
// pg_buffercache and pg_visibility that show more than one tenant's own rows.
var rawFunctions = []string{"get_raw_page", "heap_page_items", "heap_page_item_attrs",
	"bt_page_items", "gist_page_items",
	"pgrowlocks", "pgstattuple", "pgstattuple_approx", "pgstatindex", "pg_get_wal_records_info", "pg_get_wal_record_info",
	"pg_get_wal_block_info", "pg_buffercache_pages", "pg_visibility_map", "pg_visibility"}

// fileFunctions read the server's files.
var fileFunctions = []string{"pg_read_file", "pg_read_binary_file", "lo_import"}

// pageContents are those that show the rows themselves.
var pageContents = []string{"get_raw_page", "heap_page_items", "heap_page_item_attrs", "bt_page_items",
	"gist_page_items", "pg_get_wal_block_info"}
