package schema

import (
	"regexp"
	"strings"
)

var jsonKey = regexp.MustCompile(`->>? '((?:[^'\\]|'')+)'::text`)

// indexedKeys finds the JSON keys that expressions of indexes name. A plan uses such an index,
// for a filter or an order, only where the statement has the key itself and not a parameter.
func (b *builder) indexedKeys() {
	b.schema.IndexedKeys = map[string]bool{}
	for i := range b.Snapshot.Relations {
		for _, index := range b.Snapshot.Relations[i].Indexes {
			for _, key := range index.Keys {
				for _, m := range jsonKey.FindAllStringSubmatch(key.Expression, -1) {
					b.schema.IndexedKeys[strings.ReplaceAll(m[1], "''", "'")] = true
				}
			}
		}
	}
}
