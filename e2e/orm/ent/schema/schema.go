// Package schema is what Ent generates its client from. The tenant column is not in it:
// the database fills it in, and its policies read it.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/edge"
	"entgo.io/ent/schema/field"
)

// Campaign has leads.
type Campaign struct{ ent.Schema }

// Fields are the columns.
func (Campaign) Fields() []ent.Field {
	return []ent.Field{field.Int64("id"), field.String("name"), field.Float("budget").Optional()}
}

// Edges are the foreign keys.
func (Campaign) Edges() []ent.Edge { return []ent.Edge{edge.To("leads", Lead.Type)} }

// Lead is of a campaign, or of none.
type Lead struct{ ent.Schema }

// Fields are the columns.
func (Lead) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"), field.Int64("campaign_id").Optional(), field.String("name"),
		field.String("email").Optional().Nillable(), field.String("status").Default("new"), field.Int64("score").Default(0),
		field.JSON("meta", map[string]any{}).Default(map[string]any{}),
		field.Time("deleted_at").Optional().Nillable(),
	}
}

// Edges are the foreign keys.
func (Lead) Edges() []ent.Edge {
	return []ent.Edge{edge.From("campaign", Campaign.Type).Ref("leads").Field("campaign_id").Unique()}
}
