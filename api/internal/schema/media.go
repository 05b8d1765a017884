package schema

import (
	"strings"

	"github.com/moat-db/moat/catalog"
)

// Media makes an answer of a type of its own: an aggregate of rows whose result is a domain
// that is called as the type, such as "text/tab-separated-values".
type Media struct {
	// Type is the media type, or AnyMedia.
	Type string
	// SQL is the aggregate over rows called m.
	SQL string
	// Bytes says that the value is bytea.
	Bytes bool
	// Whole says that it takes the table's rows as they are, without a choice of columns.
	Whole bool
}

// AnyMedia is the type of what answers whatever is asked for.
const AnyMedia = "*/*"

// mediaDomain is the domain that a type's SQL names where it is called as a media type.
func (b *builder) mediaDomain(sqlName string) *Type {
	t := b.schema.Types[unqualified(sqlName)]
	if t == nil || t.Base == "" || !strings.Contains(t.Name, "/") || strings.HasPrefix(t.Name, "application/vnd.pgrst") {
		return nil
	}
	return t
}

// mediaHandler files an aggregate that makes answers of the rows of a table, or of any.
func (b *builder) mediaHandler(f *catalog.Function) {
	domain := b.mediaDomain(f.Result)
	if domain == nil || len(f.Params) != 1 {
		return
	}
	m := &Media{Type: domain.Name, SQL: Quote(f.Schema, f.Name) + "(m)", Bytes: b.base(domain.Base) == "bytea"}
	if f.Params[0].Type == "anyelement" {
		b.schema.Media[m.Type] = m
		return
	}
	t := b.rowType(f.Params[0].Type)
	if t == nil {
		return
	}
	m.SQL, m.Whole = Quote(f.Schema, f.Name)+"(CAST(m AS "+t.SQL()+"))", true
	if t.Media == nil {
		t.Media = map[string]*Media{}
	}
	t.Media[m.Type] = m
}

// geoJSON makes features of rows: with their geometry where PostGIS is there to read it, and
// else without a place (RFC 7946, 3.2).
func (b *builder) geoJSON() {
	feature := "json_build_object('type', 'Feature', 'geometry', NULL, 'properties', to_json(m))"
	for _, e := range b.Snapshot.Extensions {
		if e.Name == "postgis" && b.Uses(e.Schema) {
			feature = Quote(e.Schema, "st_asgeojson") + "(m)::json"
		}
	}
	if b.schema.Media[geoJSON] == nil {
		b.schema.Media[geoJSON] = &Media{Type: geoJSON, SQL: "json_build_object('type', 'FeatureCollection', 'features', " +
			"coalesce(json_agg(" + feature + "), '[]'::json))"}
	}
}

const geoJSON = "application/geo+json"

// Handler is what makes an answer of a type of the rows of a table, or nil.
func (s *Schema) Handler(t *Table, media string) *Media {
	if m := t.Media[media]; m != nil {
		return m
	}
	return s.Media[media]
}
