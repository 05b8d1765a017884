package sqlcdb

//go:generate go run -mod=mod github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate
