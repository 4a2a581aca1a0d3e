package terminal_test

import (
	"testing"

	"github.com/joule-ebm/joule/internal/terminal"
)

func TestOneLine(t *testing.T) {
	for given, want := range map[string]string{
		"a\nb":                      "a b",
		"\x1b[31mred\x1b[0m\r\n":    "[31mred [0m",
		"  ein  Bild\tmit Umlaut ä": "ein Bild mit Umlaut ä",
		"\u0085next":                "next",
	} {
		if got := terminal.OneLine(given); got != want {
			t.Errorf("%q becomes %q, want %q", given, got, want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	if got, want := terminal.Markdown("a|b <img>\n*c_d*"), `a\|b &lt;img> \*c\_d\*`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
