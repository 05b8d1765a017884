package seal_test

import (
	"context"
	"fmt"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/seal"
)

// A program that binds its tenants by signature. The key file is what "moat seal key
// new" wrote; it is read again when it changes.
func Example() {
	ctx := context.Background()
	sealer, err := seal.Open("seal.key", nil)
	if err != nil {
		fmt.Println("no key, no start")
		return
	}
	db, err := moat.Open(ctx, "postgres://moat_app@localhost/app", &moat.Options{Sealer: sealer})
	if err != nil {
		return
	}
	defer db.Close()
	// Output: no key, no start
}
