// Command fetch puts pinned PostgreSQL builds into moat's cache, for tests against
// several major versions:
//
//	go run ./internal/postgres/fetch 14 16 17 18
//
// It prints the folder of each build's programs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"

	"github.com/moat-db/moat/internal/postgres"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := fetch(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(2)
	}
}

func fetch(ctx context.Context, majors []string) error {
	if len(majors) == 0 {
		return fmt.Errorf("name major versions, such as: fetch 14 16 17 18")
	}
	for _, arg := range majors {
		major, err := strconv.Atoi(arg)
		if err != nil {
			return fmt.Errorf("%q is not a major version", arg)
		}
		inst, err := postgres.Download(ctx, major)
		if err != nil {
			return err
		}
		fmt.Printf("PostgreSQL %s\t%s\n", inst.Version, inst.Bin)
	}
	return nil
}
