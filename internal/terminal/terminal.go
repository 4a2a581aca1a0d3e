// Package terminal makes text fit for a terminal: names of files may hold anything.
package terminal

import (
	"strings"
	"unicode"
)

// Printable takes out what would move the cursor, break the line or change colours.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// OneLine is a message in one line, with single spaces between its words.
func OneLine(message string) string { return strings.Join(strings.Fields(Printable(message)), " ") }

// inMarkdown writes what would be markup, or end a cell of a table, as itself.
var inMarkdown = strings.NewReplacer("|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "<", "&lt;")

// Markdown is a name as a cell of a table in Markdown.
func Markdown(name string) string { return inMarkdown.Replace(Printable(name)) }
