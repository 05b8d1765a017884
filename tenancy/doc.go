// Package tenancy finds out how a database tells its tenants apart: which column holds
// the tenant, which setting names the current one, which table lists them, and what
// each table is to tenants. [Read] is how every part of moat gets its view of a
// database: the catalog, the model, and the policies' meaning in one value.
//
// What is configured is taken, what is not is inferred and said in Model.Inferred. Its
// limit: it looks at names, keys, policies and grants, never at rows.
package tenancy
