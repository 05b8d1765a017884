package api

// ReadableTable is a table or view that clients may read, as far as they may.
type ReadableTable struct {
	Name    string           `json:"name"`
	Comment string           `json:"comment,omitempty"`
	Key     []string         `json:"primary_key,omitempty"`
	Columns []ReadableColumn `json:"columns"`
}

// ReadableColumn is a column of a [ReadableTable].
type ReadableColumn struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"` // of PostgreSQL
	Comment string   `json:"comment,omitempty"`
	Null    bool     `json:"null"`             // it may be
	Values  []string `json:"values,omitempty"` // of an enumeration
}

// Base is the path of the API.
func (h *Handler) Base() string { return h.config.Base }

// Readable returns what clients may read of the first exposed schema, by name.
func (h *Handler) Readable() []ReadableTable {
	s := h.schema.Load()
	var all []ReadableTable
	for _, name := range s.TableNames(s.Schemas[0]) {
		t := s.Table(s.Schemas[0], name)
		if !t.Select {
			continue
		}
		out := ReadableTable{Name: name, Comment: t.Comment, Key: t.Key}
		for _, c := range t.Columns {
			if c.Select {
				out.Columns = append(out.Columns, ReadableColumn{c.Name, c.Type, c.Comment, !c.NotNull, c.Enum})
			}
		}
		all = append(all, out)
	}
	return all
}
