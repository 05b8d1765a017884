// Package tools holds no code: its module names the programs that check this repository.
package tools
