// Command moat keeps tenants apart in PostgreSQL. See moat --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/moat-db/moat/cmd/moat/exporters"
	"github.com/moat-db/moat/internal/cli"
)

func main() {
	// Work goes on when nobody reads what is printed: a closed pipe stops no half-done change.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, os.Args[1:], cli.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Telemetry: cli.Telemetry{Metrics: exporters.Metrics, Traces: exporters.OTLP}})
	stop()
	os.Exit(code)
}
