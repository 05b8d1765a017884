package rest_test

import (
	"context"
	"fmt"

	"github.com/moat-db/moat/prove/rest"
)

func ExampleAttack() {
	_ = func(ctx context.Context, tokenA, tokenB string) error {
		report, err := rest.Attack(ctx, rest.Options{URL: "http://127.0.0.1:8080/rest/v1", TokenA: tokenA, TokenB: tokenB})
		if err != nil {
			return err
		}
		fmt.Println(report.Verdict)
		return nil
	}
}
