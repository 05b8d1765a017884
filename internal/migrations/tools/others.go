package tools

// others are the tools that are known by their tables alone.
func others() []*Tool {
	return []*Tool{
		{Name: "Bun", Tables: []string{"bun_migrations", "bun_migration_locks"}},
		{Name: "Django", Tables: []string{"django_migrations"}},
		{Name: "Doctrine", Tables: []string{"doctrine_migration_versions"}},
		{Name: "Drizzle", Tables: []string{"__drizzle_migrations"}},
		{Name: "Entity Framework", Tables: []string{"__EFMigrationsHistory"}},
		{Name: "gorp", Tables: []string{"gorp_migrations"}},
		{Name: "Knex", Tables: []string{"knex_migrations", "knex_migrations_lock"}},
		{Name: "Liquibase", Tables: []string{"databasechangelog", "databasechangeloglock"}},
		{Name: "MikroORM", Tables: []string{"mikro_orm_migrations"}},
		{Name: "node-pg-migrate", Tables: []string{"pgmigrations"}},
		{Name: "Rails", Tables: []string{"schema_migrations", "ar_internal_metadata"}},
		{Name: "Refinery", Tables: []string{"refinery_schema_history"}},
		{Name: "River", Tables: []string{"river_migration"}},
		{Name: "Sequelize", Tables: []string{"SequelizeMeta"}},
		{Name: "Sqitch", Tables: []string{"sqitch_changes"}},
		{Name: "sqlx", Tables: []string{"_sqlx_migrations"}},
		{Name: "TypeORM and Laravel", Tables: []string{"typeorm_metadata", "migrations"}},
		{Name: "Umzug", Tables: []string{"schema_migrations_history"}},
	}
}
