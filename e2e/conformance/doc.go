// Package conformance asks moat serve what PostgREST's clients ask, and compares the answers
// with PostgREST's.
//
// The cases are files of cases/, one for each area, and filters that are generated: what an
// operator finds is what the same comparison finds in SQL. Facts in them are PostgREST
// 16's, by its documentation and by running its public specification against moat; nothing
// of its text is here. A case where moat answers otherwise on purpose gives the reason.
//
//	go test ./conformance -v        passed, failed and justified cases by area
//	go test ./conformance -update   writes them into the page of the docs
package conformance
