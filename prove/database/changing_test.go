package database

import (
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// What a write may change is followed along keys that act, triggers, functions, views, defaults and
// partitions; it is anything where code cannot be read.
func TestWhatAWriteMayChange(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, `CREATE TABLE plain (id int PRIMARY KEY);
		CREATE TABLE refers (id int REFERENCES plain);
		CREATE TABLE cascades (id int REFERENCES plain ON DELETE CASCADE);
		CREATE VIEW shows AS SELECT id FROM plain;
		CREATE TABLE log (id int);
		CREATE FUNCTION inner_f() RETURNS int LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (1); RETURN 1; END';
		CREATE FUNCTION outer_f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM inner_f(); RETURN NEW; END';
		CREATE FUNCTION composed() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN EXECUTE ''DELETE FROM '' || TG_ARGV[0]; RETURN NEW; END';
		CREATE TABLE fires (id int);
		CREATE TRIGGER t AFTER UPDATE ON fires FOR EACH ROW EXECUTE FUNCTION outer_f();
		CREATE TABLE defaults (id int DEFAULT inner_f());
		CREATE TABLE unread (id int);
		CREATE TRIGGER t AFTER UPDATE ON unread FOR EACH ROW EXECUTE FUNCTION composed('log');
		CREATE TABLE leads_to_unread (id int PRIMARY KEY);
		CREATE TABLE between (id int REFERENCES leads_to_unread ON UPDATE CASCADE);
		CREATE TRIGGER t AFTER UPDATE ON between FOR EACH ROW EXECUTE FUNCTION composed('log');
		CREATE TABLE ruled (id int); CREATE RULE r AS ON UPDATE TO ruled DO ALSO DELETE FROM log;
		CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parts DEFAULT`)
	s, err := catalog.Load(t.Context(), db.Conn(t, db.URL))
	if err != nil {
		t.Fatal(err)
	}
	o := newOutside(catalog.NewLookup(s, nil))
	for table, want := range map[string]string{"plain": "cascades plain", "shows": "cascades plain shows", "log": "log",
		"refers": "refers", "fires": "fires log", "defaults": "defaults log", "part": "part parts", "parts": "part parts",
		"unread": "any", "leads_to_unread": "any", "ruled": "any"} {
		got := "any"
		if all := o.changing(writing{o.view.Relation(catalog.QName{Schema: "public", Name: table})}); all != nil {
			var names []string
			for name := range all {
				names = append(names, name.Name)
			}
			slices.Sort(names)
			got = strings.Join(names, " ")
		}
		if got != want {
			t.Errorf("a write to %s may change %s, want %s", table, got, want)
		}
	}
}
