package schema

import (
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// agency is leads of campaigns with owners, notes (one a lead), labels through a junction,
// views over some of it, and a lead that a lead came from.
func agency(t *testing.T) *Schema {
	t.Helper()
	w := newWorld()
	id := key("tenant_id", "id")
	composite := func(name, table, column string) catalog.Constraint {
		return reference(name, table, []string{"tenant_id", column}, []string{"tenant_id", "id"})
	}
	w.table("campaigns", "id").Constraints = []catalog.Constraint{id}
	w.table("people", "id").Constraints = []catalog.Constraint{id}
	w.table("leads", "id", "campaign_id", "owner_id", "seller_id", "source_id").Constraints = []catalog.Constraint{id,
		composite("leads_campaign", "campaigns", "campaign_id"), composite("leads_owner", "people", "owner_id"),
		composite("leads_seller", "people", "seller_id"), composite("leads_source", "leads", "source_id"),
		reference("leads_tenant", "campaigns", []string{"tenant_id"}, []string{"tenant_id"}), // says nothing but the tenant
	}
	w.table("notes", "lead_id").Constraints = []catalog.Constraint{key("tenant_id", "lead_id"),
		composite("notes_lead", "leads", "lead_id")}
	w.table("labels", "id").Constraints = []catalog.Constraint{id}
	w.table("lead_labels", "lead_id", "label_id").Constraints = []catalog.Constraint{
		key("tenant_id", "lead_id", "label_id"),
		composite("ll_lead", "leads", "lead_id"), composite("ll_label", "labels", "label_id")}
	// Its key lacks one of the two: no junction.
	w.table("calls", "id", "lead_id", "label_id").Constraints = []catalog.Constraint{id,
		composite("calls_lead", "leads", "lead_id"), composite("calls_label", "labels", "label_id")}
	hidden := w.table("hidden", "lead_id")
	hidden.RLS, hidden.Constraints = false, []catalog.Constraint{composite("hidden_lead", "leads", "lead_id")}
	tenants := w.table("tenants", "id")
	tenants.Constraints = []catalog.Constraint{key("id")}
	w.model.Tables[len(w.model.Tables)-1].Class = catalog.TenantsTable
	for i := range w.snapshot.Relations {
		if r := &w.snapshot.Relations[i]; r.Name == "notes" || r.Name == "lead_labels" {
			r.Constraints = append(r.Constraints, reference(r.Name+"_tenant", "tenants", []string{"tenant_id"}, []string{"id"}))
		}
	}
	w.snapshot.Schemas = append(w.snapshot.Schemas, catalog.Schema{Name: "geo", Privileges: to("app", "USAGE")})
	places := w.table("places", "id")
	places.Schema, places.Constraints = "geo", []catalog.Constraint{id, composite("places_lead", "leads", "id")}
	w.model.Tables[len(w.model.Tables)-1].Table.Schema = "geo"
	bare := w.view("campaign_numbers", "owner", true, "campaigns")
	bare.Columns = []catalog.Column{{Name: "number", Type: "bigint",
		Origin: &catalog.ColumnRef{Relation: Name{Schema: "app", Name: "campaigns"}, Column: "id"}}}
	won := w.view("won_leads", "owner", true, "leads")
	won.Columns = nil
	for shown, column := range map[string]string{"tenant_id": "tenant_id", "lead": "id", "campaign": "campaign_id"} {
		won.Columns = append(won.Columns, catalog.Column{Name: shown, Type: "uuid",
			Origin: &catalog.ColumnRef{Relation: Name{Schema: "app", Name: "leads"}, Column: column}})
	}
	// Labels by a chain that is not exposed, each with the one before and the one before that.
	chain := w.table("chain", "id", "before")
	chain.Constraints = []catalog.Constraint{id, composite("chain_before", "chain", "before")}
	chain.Privileges = nil
	steps := w.view("steps", "owner", true, "chain")
	steps.Columns = nil
	for _, c := range [][2]string{{"id", "id"}, {"before", "before"}, {"earlier", "before"}} {
		steps.Columns = append(steps.Columns, catalog.Column{Name: c[0], Type: "uuid",
			Origin: &catalog.ColumnRef{Relation: Name{Schema: "app", Name: "chain"}, Column: c[1]}})
	}
	s, err := Build(policy.NewView(catalog.NewLookup(&w.snapshot, &w.model)), Options{Schemas: []string{"app", "geo"}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The ways from a table to another: by the table, by a foreign key, by its column, and
// with a hint where there are several.
func TestRelationships(t *testing.T) {
	t.Parallel()
	s := agency(t)
	for _, tt := range []struct {
		from, target, hint string
		want               string // cardinality and constraint of each way
	}{
		{"leads", "campaigns", "", "many-to-one leads_campaign"},
		{"campaigns", "leads", "", "one-to-many leads_campaign"},
		{"leads", "leads_campaign", "", "many-to-one leads_campaign"},
		{"leads", "leads_campaign_id_fkey", "", "many-to-one leads_campaign"}, // the name before protect
		{"leads", "campaign_id", "", "many-to-one leads_campaign"},
		{"campaigns", "campaign_id", "", ""}, // the column is not this table's
		{"leads", "people", "", "many-to-one leads_owner, many-to-one leads_seller"},
		{"leads", "people", "leads_seller", "many-to-one leads_seller"},
		{"leads", "people", "seller_id", "many-to-one leads_seller"},
		{"leads", "people", "campaign_id", ""},
		{"people", "leads", "owner_id", "one-to-many leads_owner"},
		{"leads", "notes", "", "one-to-one notes_lead"},
		{"notes", "leads", "", "one-to-one notes_lead"},
		{"leads", "labels", "", "many-to-many ll_lead"},
		{"labels", "leads", "", "many-to-many ll_label"},
		{"leads", "labels", "lead_labels", "many-to-many ll_lead"},
		{"leads", "labels", "ll_label", "many-to-many ll_lead"},
		{"leads", "labels", "calls", ""},
		{"leads", "lead_labels", "", "one-to-many ll_lead"},
		{"leads", "leads", "", "one-to-many leads_source"},     // those that came from this one
		{"leads", "source_id", "", "many-to-one leads_source"}, // the one it came from
		{"leads", "leads", "leads_source", "one-to-many leads_source"},
		{"leads", "leads", "owner_id", ""},
		{"leads", "hidden", "", ""},
		{"won_leads", "campaigns", "", "many-to-one leads_campaign"},
		{"campaigns", "won_leads", "", "one-to-many leads_campaign"},
		{"won_leads", "notes", "", "one-to-one notes_lead"},
		{"won_leads", "people", "", ""},                      // the view does not show that column
		{"notes", "notes_lead", "", "one-to-one notes_lead"}, // the table, not the view over it
		{"leads", "nothing", "", ""},
		{"steps", "before", "", "many-to-one chain_before"}, // each name for the column is a way of its own
		{"steps", "earlier", "", "many-to-one chain_before"},
		{"labels", "id", "", "one-to-many calls_label, one-to-many ll_label"}, // the column that the others refer to
		{"leads", "tenants", "", ""},                                          // that two tables have a tenant joins nothing
		{"tenants", "labels", "", ""},
		{"notes", "tenants", "", "many-to-one notes_tenant"},
		{"leads", "places", "", ""}, // of another schema
		{"leads", "campaign_numbers", "", "many-to-one leads_campaign"},
	} {
		var got []string
		for _, r := range s.Relationships(s.Table("app", tt.from), tt.target, tt.hint) {
			got = append(got, string(r.Cardinality)+" "+r.Constraint)
			if r.Target.View && tt.target != r.Target.Name.Name && r.Source != r.Target {
				t.Errorf("%s → %s leads to the view %s", tt.from, tt.target, r.Target.Name)
			}
		}
		slices.Sort(got)
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s → %s!%s: %v, want %s", tt.from, tt.target, tt.hint, got, tt.want)
		}
	}
}

// The join names the tenant on both sides wherever both show it.
func TestRelationshipColumns(t *testing.T) {
	t.Parallel()
	s := agency(t)
	for _, tt := range []struct{ from, target, want string }{
		{"leads", "campaigns", "leads_campaign using leads(tenant_id, campaign_id) and campaigns(tenant_id, id)"},
		{"campaigns", "leads", "leads_campaign using campaigns(tenant_id, id) and leads(tenant_id, campaign_id)"},
		{"leads", "labels", "lead_labels using ll_lead(tenant_id, lead_id) and ll_label(tenant_id, label_id)"},
		{"leads", "campaign_numbers", "leads_campaign using leads(campaign_id) and campaign_numbers(number)"},
		{"won_leads", "campaigns", "leads_campaign using won_leads(tenant_id, campaign) and campaigns(tenant_id, id)"},
	} {
		found := s.Relationships(s.Table("app", tt.from), tt.target, "")
		if len(found) != 1 || found[0].Describe() != tt.want {
			t.Errorf("%s → %s: %d ways, %s", tt.from, tt.target, len(found), found[0].Describe())
		}
	}
	// The tenants, the table of leads and the view over it.
	if ways := len(s.RelationshipsOf(s.Table("app", "notes"))); ways != 3 {
		t.Errorf("%d ways from notes", ways)
	}
}
