package query_test

import (
	"fmt"

	"github.com/moat-db/moat/api/internal/query"
)

func ExampleParse() {
	r, err := query.Parse("select=id,client:clients(name)&status=eq.new&client.name=like.A*&limit=5", query.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Root.Where[0].Filter.Field.Name, r.Root.Where[0].Filter.Op, r.Root.Where[0].Filter.Value)
	fmt.Println(r.Root.Items[1].Target.Name, *r.Root.Limit)
	_, err = query.Parse("status=new", query.Options{})
	fmt.Println(err)
	// Output:
	// status eq new
	// clients 5
	// PGRST100: "failed to parse filter (new)" (line 1, column 1)
}
