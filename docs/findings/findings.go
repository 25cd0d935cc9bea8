// Package findings holds the help pages of the diagnosis: one for each code that
// the page or "partyline doctor" can name.
package findings

import "embed"

// Pages has <code>.md for every finding.
//
//go:embed *.md
var Pages embed.FS
