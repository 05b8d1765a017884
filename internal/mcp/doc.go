// Package mcp serves agents by the Model Context Protocol: a door into the API, and where that is
// allowed one read-only statement, as the tenant that the token names. It stands on what the API
// stands on, so that nothing is decided here of who may come in or which rows there are: the
// database does that, by policies that read a sealed tenant.
//
// What an agent asks is foreign text: whoever writes a row that it reads may have written the
// question. So a statement is bound by signature, runs in a read-only transaction without volatile
// functions, with limits of time, rows, bytes and cost, and its connection is not used again.
package mcp
