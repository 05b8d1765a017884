package baseline_test

import (
	"fmt"

	"github.com/moat-db/moat/baseline"
)

func Example() {
	s := database()
	l := baseline.Judge([]baseline.Entry{entry(s)}, s, today)
	e, ok := l.Accepts("key-unique", "app.users.users_email_key")
	fmt.Println(ok, e.Reason)

	s.Relations[0].Constraints[0].Columns = []string{"phone"}
	l = baseline.Judge([]baseline.Entry{entry(database())}, s, today)
	_, ok = l.Accepts("key-unique", "app.users.users_email_key")
	fmt.Println(ok)
	fmt.Println(l.Reopened[0].Why)
	// Output:
	// true people sign in by email
	// false
	// its definition has changed since it was accepted; look at it again, and run moat accept
}
