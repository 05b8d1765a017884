package protect

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
)

// A plain schema without a declaration: each shape that protect can see is asked about, with
// the key of moat.yaml that declares it, and enforce waits.
func TestShapesAreAsked(t *testing.T) {
	t.Parallel()
	b := newBench(t, shapesSchema)
	plan := b.plan(t)
	for id, keys := range map[string][]string{
		"shape/app.tenants": {"tenant: {parent: parent_id}", "tables: {tree: {writes: below}}",
			"protect: {one_tenant: [app.tenants]}"},
		"class/app.users": {"tables: {members: {app.users: {through: app.memberships, person: user_id, " +
			"columns: [id, email, name]}}}"},
		"rows/null/app.labels": {"tables: {shared_rows: {app.labels: null}}"},
		"path/app.orders":      {"tables: {parties: {app.orders: {owner: buyer_tenant, reads: [seller_tenant]}}}"},
		"path/app.order_lines": {"tables: {parties: {app.order_lines: {owner: buyer_tenant, reads: [seller_tenant]}}}"},
		"shape/app.board_share": {
			"tables: {shares: {app.board: {through: app.board_share, with: shared_with, edits: can_edit}}}",
			"tables: {parties: {app.board_share: {owner: tenant_id, reads: [shared_with]}}}"},
		"class/app.document_data": {"tables: {owned_by: {app.document_data: app.document.data_id}}"},
	} {
		d := decision(plan, id)
		if d == nil || !d.Blocks {
			t.Errorf("%s is not asked, or enforce does not wait for it: %v", id, decisionIDs(plan))
			continue
		}
		for _, key := range keys {
			if !strings.Contains(d.Config, key) {
				t.Errorf("%s does not offer %s:\n%s", id, key, d.Config)
			}
		}
	}
	// A person's no is taken, and a declared shape is not asked about again.
	b.cfg.OneTenant = []string{"app.tenants"}
	b.opts.Shapes.Shares = []catalog.Shares{{Table: in("board"), Through: in("board_share"), With: "shared_with"}}
	for _, id := range decisionIDs(b.plan(t)) {
		if strings.HasPrefix(id, "shape/") {
			t.Errorf("answered, and asked: %s", id)
		}
	}
}

// Every question is of a kind that is shown: one that is not would be open and unseen.
func TestEveryQuestionHasItsKind(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`Decision\{ID: "([a-z-]+)/`)
	n := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range asked.FindAllStringSubmatch(string(text), -1) {
			n++
			if !slices.ContainsFunc(Kinds(), func(k Kinded) bool { return k.Kind == found[1] }) {
				t.Errorf("%s asks a question of kind %s, which is no kind of Kinds", name, found[1])
			}
		}
	}
	if n < 10 {
		t.Errorf("found %d questions in the source", n)
	}
}
